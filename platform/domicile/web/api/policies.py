"""``/v1/policies``: what decides for the caller's tenant, and the policies that the tenant adds itself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from domicile.access.policies import PoliciesView
from domicile.domain.actions import Action
from domicile.domain.policies import PolicyVersion, WrittenPolicies
from domicile.policy.explanation import PolicyText
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who

_TAGS = ["policies"]


class TenantPoliciesBody(msgspec.Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(description="All of the tenant's own policies, in Cedar's syntax; empty for none")]
    expected_version: Annotated[int, Meta(ge=0, le=2**31 - 2, description="The version that this one follows; 0 for the first")]
    dry_run: Annotated[bool, Meta(description="Only check the text")] = False


class PolicyOut(msgspec.Struct):
    id: Annotated[str, Meta(description="The tenant's own begin with 'tenant/'")]
    effect: str
    reason: str
    file: str
    line: Annotated[int, Meta(description="Counted from 1")]
    text: str


class PoliciesOut(msgspec.Struct):
    bundle_digest: Annotated[str, Meta(description="What decisions and receipts name")]
    version: Annotated[int, Meta(description="Of the tenant's own policies; 0 if it never had any")]
    in_force: Annotated[bool, Meta(description="False for a dry run, and for policies that no longer fit the platform's")]
    platform: list[PolicyOut]
    tenant: list[PolicyOut]
    text: Annotated[str, Meta(description="The tenant's own policies, as they were written")]


class PolicyVersionOut(msgspec.Struct):
    version: int
    digest: Annotated[str, Meta(description="SHA-256 of the text")]
    principal_id: UUID
    created_at: datetime
    text: Annotated[str | None, Meta(description="Null in a list")] = None


class PolicyVersionsOut(msgspec.Struct):
    items: list[PolicyVersionOut]


def policies_out(view: PoliciesView) -> PoliciesOut:
    return PoliciesOut(
        bundle_digest=view.bundle_digest,
        version=view.version,
        in_force=view.in_force,
        platform=[_policy_out(each) for each in view.platform],
        tenant=[_policy_out(each) for each in view.tenant],
        text=view.text,
    )


def _policy_out(view: PolicyText) -> PolicyOut:
    return PolicyOut(view.id, view.effect, view.reason, view.file, view.line, view.text)


def policy_version_out(noted: PolicyVersion) -> PolicyVersionOut:
    text = noted.text if isinstance(noted, WrittenPolicies) else None
    return PolicyVersionOut(noted.version, noted.digest, noted.principal_id, noted.created_at, text)


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
