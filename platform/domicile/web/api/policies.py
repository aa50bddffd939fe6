"""``/v1/policies``: what decides for the caller's tenant, and the policies that the tenant adds itself."""

from __future__ import annotations

from litestar import get, put
from litestar.params import FromPath, JSONBody

from domicile.domain.actions import Action
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who
from domicile.web.schemas import (
    PoliciesOut,
    PolicyVersionOut,
    PolicyVersionsOut,
    TenantPoliciesBody,
    policies_out,
    policy_version_out,
)

_TAGS = ["policies"]


@get("/policies", summary="Read the policies", tags=_TAGS, responses=problems(), opt=decides(Action.POLICY_READ))
async def get_policies(visitor: Who, cell: Here) -> PoliciesOut:
    """The platform's and the tenant's own, as they are in force; for administrators and auditors."""
    return policies_out(await cell.policies.read(visitor.caller))


@put(
    "/policies",
    summary="Change the tenant's own policies",
    tags=_TAGS,
    responses=problems(409, 413, 415, 422),
    opt={"content_type": "application/json", **decides(Action.POLICY_WRITE)},
)
async def put_policies(data: JSONBody[TenantPoliciesBody], visitor: Who, cell: Here) -> PoliciesOut:
    """All of them at once, as the version after the one expected; in force in the whole cell within two seconds.

    With `dry_run` the text is only checked, and the answer is what would be in force.
    """
    if data.dry_run:
        return policies_out(await cell.policies.propose(visitor.caller, data.text))
    return policies_out(await cell.policies.write(visitor.caller, data.text, data.expected_version))


@get(
    "/policies/versions",
    summary="List the versions of the tenant's own policies",
    tags=_TAGS,
    responses=problems(),
    opt=decides(Action.POLICY_READ),
)
async def list_policy_versions(visitor: Who, cell: Here) -> PolicyVersionsOut:
    """The newest first, without their texts."""
    return PolicyVersionsOut([policy_version_out(each) for each in await cell.policies.history(visitor.caller)])


@get(
    "/policies/versions/{version:int}",
    summary="Get a version of the tenant's own policies",
    tags=_TAGS,
    responses=problems(404),
    opt=decides(Action.POLICY_READ),
)
async def get_policy_version(version: FromPath[int], visitor: Who, cell: Here) -> PolicyVersionOut:
    """With its text. To go back to it, send that text again."""
    return policy_version_out(await cell.policies.version(visitor.caller, version))
