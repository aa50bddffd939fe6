"""From what the audit log recorded back to the requests that were decided.

The log names ids; what policies look at besides is taken from the event where it was recorded (role, clearance, method, access
region) and from the database as it is now (groups, documents, collections, what a key was narrowed to). What is gone cannot be
decided again, and is counted under one of the words below instead of being guessed at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

from domicile.access.administration import Administration
from domicile.access.events import CLEARANCE, DISABLED, ENDPOINT_REGION, NARROWED, PURPOSE, ROLE, STRENGTH
from domicile.access.resources import find_resource
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError, Forbidden, NotFound
from domicile.domain.principals import AuthenticationMethod, Caller, Grant, Principal, Strength, Tenant
from domicile.domain.values import Classification, Region, Role
from domicile.policy.request import CollectionResource, EndpointResource, OwnedResource, Request, Resource, TenantResource
from domicile.ports.repositories import UnitOfWork


class Unreplayable(StrEnum):
    """Why an event, or one document of it, is not decided again."""

    NO_DECISION = "no-decision"  # failed authentications, refused connections, and refusals that no policy made
    ACCOUNT_GONE = "account-gone"
    CREDENTIAL_GONE = "credential-gone"  # a narrowed key, of which nobody knows any more to what
    RESOURCE_GONE = "resource-gone"
    OWNER_UNKNOWN = "owner-unknown"  # somebody's session; the log does not say whose


class Unknown(Exception):
    """A part of a request that is not there any more."""

    def __init__(self, why: Unreplayable) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True)
class Recorded:
    """One decision as the log has it: of an event itself, or of one document or endpoint that it names."""

    event: AuditEvent
    action: Action
    resource: str

    @property
    def permitted(self) -> bool:
        """What failed afterwards was permitted before."""
        return self.event.outcome is not Outcome.DENIED


#: Refusals that policy made; every other reason is a refusal of something else, whatever the policies say.
_BY_POLICY = frozenset({"", "scope-mismatch", Forbidden.slug})
#: What is decided on each document that an event of this action names. Others name documents that were decided elsewhere.
_ON_EACH_DOCUMENT = {
    Action.SEARCH_CREATE: Action.DOCUMENT_READ,
    Action.ANSWER_CREATE: Action.DOCUMENT_READ,
    Action.DOCUMENT_LIST: Action.DOCUMENT_LIST,
}


def decisions_of(event: AuditEvent) -> Iterator[Recorded]:
    """The decisions that the event stands for; none for what is no decision of policy."""
    if event.principal_id is None or not event.bundle_digest or (event.outcome is Outcome.FAILED and not event.policies):
        return
    if event.outcome is Outcome.DENIED and event.reason not in _BY_POLICY:
        return
    yield Recorded(event, event.action, event.resource)
    if event.outcome is not Outcome.PERMITTED:
        return
    named = (f"document:{each}" for each in event.documents)
    if on_each := _ON_EACH_DOCUMENT.get(event.action):
        yield from (Recorded(event, on_each, name) for name in named if name != event.resource)
    if event.action is Action.ANSWER_CREATE and event.model_region:
        yield Recorded(event, Action.ENDPOINT_USE, "endpoint:model")


#: Documents that are read with one statement: databases limit how many values one may have.
_AT_ONCE = 1000


@dataclass
class TenantFacts:
    """What the database says now about one tenant. Made once for a replay; documents and owners are added as they are named."""

    tenant: Tenant
    principals: Mapping[UUID, Principal]
    grants: Mapping[UUID, Grant]
    collections: Mapping[UUID, Resource]
    found: dict[str, Resource | None] = field(default_factory=dict)

    @classmethod
    async def read(cls, unit: UnitOfWork, tenant: Tenant) -> TenantFacts:
        return cls(
            tenant=tenant,
            principals={each.id: each for each in await unit.principals.of_tenant(tenant.id)},
            grants={each.id: each.grant for each in await unit.credentials.api_keys(tenant.id)},
            collections={each.id: CollectionResource.of(each) for each in await unit.collections.of_tenant(tenant.id)},
        )

    async def prepare(self, unit: UnitOfWork, page: Sequence[Recorded]) -> None:
        """Read what the page names, and forget what earlier pages named."""
        named = {each.resource for each in page}
        documents = [UUID(name.removeprefix("document:")) for name in named if name.startswith("document:")]
        self.found = {}
        for start in range(0, len(documents), _AT_ONCE):
            known = await unit.documents.many(documents[start : start + _AT_ONCE], self.tenant.id)
            self.found |= {f"document:{id_}": document.attributes for id_, document in known.items()}
        for name in named:
            if name.startswith(("conversation:", "job:")):
                self.found[name] = await _found(unit, self.tenant.id, name)

    def request(self, recorded: Recorded, cell_region: Region) -> Request:
        """Raises ``Unknown``."""
        caller = self._caller(recorded.event)
        return Request(caller, recorded.action, self._resource(recorded, caller), cell_region)

    def _caller(self, event: AuditEvent) -> Caller:
        method = AuthenticationMethod(event.method)
        operator = Administration.operator_caller(self.tenant, event.time)
        if event.principal_id == operator.principal.id:  # Also the cell itself, which does retention as a job.
            return replace(operator, method=method, access_region=event.access_region)
        principal = self.principals.get(event.principal_id) if event.principal_id else None
        if principal is None:
            raise Unknown(Unreplayable.ACCOUNT_GONE)
        return Caller(
            principal=_as_it_was(principal, event),
            tenant=self.tenant,
            method=method,
            grant=self._grant(event),
            access_region=event.access_region,
            purpose=str(dict(event.detail).get(PURPOSE, "")),
            strength=_strength(event),
            at=event.time,
        )

    def _grant(self, event: AuditEvent) -> Grant:
        detail = dict(event.detail)
        if event.method != AuthenticationMethod.API_KEY or (ROLE in detail and NARROWED not in detail):
            return Grant()
        grant = self.grants.get(event.credential_id) if event.credential_id else None
        if grant is None:
            raise Unknown(Unreplayable.CREDENTIAL_GONE)
        return grant

    def _resource(self, recorded: Recorded, caller: Caller) -> Resource:
        event, (kind, _, id_) = recorded.event, recorded.resource.partition(":")
        resource: Resource | None
        match kind:
            case "tenant":
                resource = TenantResource(UUID(id_))
            case "collection":
                resource = self.collections.get(UUID(id_))
            case "session":
                resource = _session(recorded, caller)
            case "account":
                resource = OwnedResource(kind, UUID(id_), caller.tenant.id, UUID(id_))
            case "endpoint":
                region = event.model_region or str(dict(event.detail).get(ENDPOINT_REGION, ""))
                resource = EndpointResource(id_, id_, Region(region)) if region else None
            case _:
                resource = self.found.get(recorded.resource)
        if resource is None:
            raise Unknown(Unreplayable.RESOURCE_GONE)
        return resource


def rebuilt(
    facts: TenantFacts, page: Sequence[Recorded], cell_region: Region
) -> tuple[list[tuple[Recorded, Request]], Counter[Unreplayable]]:
    """The requests that can be decided again, and how many cannot, by why."""
    requests, skipped = [], Counter[Unreplayable]()
    for each in page:
        try:
            requests.append((each, facts.request(each, cell_region)))
        except Unknown as unknown:
            skipped[unknown.why] += 1
    return requests, skipped


def _as_it_was(principal: Principal, event: AuditEvent) -> Principal:
    """With role and clearance as they were recorded; as they are now, for an entry from before they were."""
    detail = dict(event.detail)
    if ROLE not in detail:
        return principal
    return replace(
        principal,
        role=Role(str(detail[ROLE])),
        clearance=Classification(int(detail[CLEARANCE])),
        disabled=bool(detail.get(DISABLED, 0)),
    )


def _strength(event: AuditEvent) -> Strength:
    """As it was recorded; a single factor for a session or key of an entry from before that was."""
    detail = dict(event.detail)
    usual = Strength.NONE if ROLE in detail or event.method == AuthenticationMethod.JOB else Strength.SINGLE
    return Strength(int(detail.get(STRENGTH, usual)))


def _session(recorded: Recorded, caller: Caller) -> OwnedResource:
    """Sessions are gone when they end. Nobody is let do anything with another's, so a permitted one was the caller's own."""
    if not recorded.permitted:
        raise Unknown(Unreplayable.OWNER_UNKNOWN)
    id_ = UUID(recorded.resource.removeprefix("session:"))
    return OwnedResource("session", id_, caller.tenant.id, caller.principal.id)


async def _found(unit: UnitOfWork, tenant_id: UUID, name: str) -> Resource | None:
    try:
        return await find_resource(unit, tenant_id, name)
    except (NotFound, CallerError):
        return None
