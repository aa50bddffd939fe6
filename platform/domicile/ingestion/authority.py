"""Whether a job may still do what it was submitted for: decided again, by today's policies on today's account.

A job runs for minutes or, after an outage, for days. Meanwhile an account may be disabled, a role taken away, a policy changed.
What the credential was narrowed to was decided when the job was submitted; a job has none.
"""

from __future__ import annotations

from collections.abc import Sequence

from domicile.access.gate import Gate
from domicile.domain.actions import Action
from domicile.domain.documents import Job, JobItem
from domicile.domain.errors import NotFound
from domicile.domain.principals import AuthenticationMethod, Caller
from domicile.policy.request import Decision
from domicile.ports.repositories import UnitOfWork


async def decisions(gate: Gate, unit: UnitOfWork, job: Job, items: Sequence[JobItem]) -> Sequence[Decision]:
    """The decision on each item's document, in order; of an account or tenant that is gone, nothing is permitted."""
    try:
        principal = await unit.principals.get(job.principal_id)
        tenant = await unit.tenants.get(job.tenant_id)
    except NotFound:
        return [Decision(False, (), gate.bundle_digest(job.tenant_id))] * len(items)
    acting = Caller(principal, tenant, AuthenticationMethod.JOB, access_region=gate.cell_region.name, at=gate.now())
    return gate.decide_each(acting, Action.DOCUMENT_CREATE, [item.attributes for item in items])
