"""Policy cases: requests with the decision that a bundle must come to, as they are written beside the policies.

Unless a case says otherwise, its caller is a signed-in member of the tenant acme with clearance internal and no groups, and its
resource lies in acme's collection handbook, in the cell's region eu-de. Names stand for ids: the same name, the same id. The
request comes at noon (UTC) on 15 January 2026.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.errors import CallerError, PolicyInvalid
from domicile.domain.marks import Marks, Validity, label_set
from domicile.domain.principals import AuthenticationMethod, Caller, Grant, Principal, PrincipalKind, Strength, Tenant
from domicile.domain.values import Classification, Region, Role
from domicile.policy.bundle import PolicyBundle
from domicile.policy.decision import DecisionPoint
from domicile.policy.request import (
    CollectionResource,
    Decision,
    EndpointResource,
    OwnedResource,
    Request,
    Resource,
    TenantResource,
)

HOME = Region("eu-de")
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


class WrittenCaller(msgspec.Struct, forbid_unknown_fields=True):
    role: Role = Role.MEMBER
    clearance: str = "internal"
    groups: tuple[str, ...] = ()
    disabled: bool = False
    method: AuthenticationMethod = AuthenticationMethod.SESSION
    acting_in: str = "acme"
    access_region: str = "unknown"
    verbs: tuple[str, ...] | None = None
    collections: tuple[str, ...] | None = None
    kind: PrincipalKind = PrincipalKind.USER
    purpose: str = ""
    strength: Strength = Strength.SINGLE
    at: datetime = NOON
    home: str = HOME.name
    allowed_regions: tuple[str, ...] = ()


class WrittenResource(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["tenant", "collection", "document", "endpoint", "conversation", "job", "session", "account", "erasure"]
    tenant: str = "acme"
    collection: str = "handbook"
    region: str = HOME.name
    classification: str = "internal"
    groups: tuple[str, ...] = ()
    owner: Literal["self", "somebody"] = "somebody"
    labels: tuple[str, ...] = ()
    personal_data: bool = False
    valid_from: str | None = None
    valid_until: str | None = None


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """``policies`` are exactly those that determine the decision; none where nothing permits it."""

    name: str
    action: Action
    resource: WrittenResource
    permitted: bool
    caller: WrittenCaller = msgspec.field(default_factory=WrittenCaller)
    policies: tuple[str, ...] = ()
    component_regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a bundle decided of a case, and whether that is what the case says."""

    case: Case
    decision: Decision

    @property
    def passed(self) -> bool:
        expected = (self.case.permitted, tuple(sorted(self.case.policies)), ())
        return expected == (self.decision.allowed, self.decision.policies, self.decision.errors)


def parse_cases(files: Mapping[str, str]) -> list[Case]:
    """The cases of YAML texts by file name; raises ``PolicyInvalid``, naming the file, for what does not have their form."""
    import yaml

    cases: list[Case] = []
    for name, text in sorted(files.items()):
        try:
            read: Any = yaml.safe_load(text)
            cases += msgspec.convert(read or [], list[Case])
        except (yaml.YAMLError, msgspec.ValidationError) as error:
            raise PolicyInvalid(f"The cases in {name} cannot be read: {error}.", file=name) from None
    return cases


def run_cases(bundle: PolicyBundle, cases: Sequence[Case]) -> list[Result]:
    """Each case decided by the bundle. Raises ``PolicyInvalid`` for a case that names an impossible value."""
    return [Result(case, _decided(bundle, case)) for case in cases]


def untouched(bundle: PolicyBundle, results: Sequence[Result]) -> list[str]:
    """The policies that determined no case: any of them could be deleted, and no case would notice."""
    return sorted(bundle.ids - {id_ for result in results for id_ in result.decision.policies})


def _decided(bundle: PolicyBundle, case: Case) -> Decision:
    try:
        decisions = DecisionPoint(bundle, [Region(name) for name in case.component_regions])
        return decisions.decide(Request(_caller(case.caller), case.action, _resource(case.resource), HOME))
    except CallerError as error:
        raise PolicyInvalid(f"The case '{case.name}' cannot be asked: {error}") from None


def _caller(told: WrittenCaller) -> Caller:
    home, groups = _id("tenant", "acme"), frozenset(_id("group", slug) for slug in told.groups)
    clearance = Classification.parse(told.clearance)
    who = _id("principal", "self")
    principal = Principal(who, home, "self", "Self", told.role, clearance, groups, told.disabled, told.kind)
    verbs = None if told.verbs is None else frozenset(told.verbs)
    collections = None if told.collections is None else frozenset(_id("collection", "acme", slug) for slug in told.collections)
    allowed = frozenset(map(Region, told.allowed_regions))
    tenant = Tenant(_id("tenant", told.acting_in), told.acting_in, told.acting_in, Region(told.home), allowed)
    return Caller(
        principal,
        tenant,
        told.method,
        Grant(verbs, collections),
        access_region=told.access_region,
        purpose=told.purpose,
        strength=told.strength,
        at=told.at,
    )


def _resource(told: WrittenResource) -> Resource:
    tenant, region = _id("tenant", told.tenant), Region(told.region)
    collection = _id("collection", told.tenant, told.collection)
    match told.kind:
        case "tenant":
            return TenantResource(tenant)
        case "collection":
            return CollectionResource(tenant, collection, region, _marks(told))
        case "document":
            return DocumentAttributes.marked(tenant, _id("document", told.tenant), collection, region, _marks(told))
        case "endpoint":
            return EndpointResource("model", "sglang", region)
        case _:
            return OwnedResource(told.kind, _id(told.kind, told.tenant), tenant, _id("principal", told.owner))


def _marks(told: WrittenResource) -> Marks:
    return Marks(
        classification=Classification.parse(told.classification),
        groups=frozenset(_id("group", slug) for slug in told.groups),
        owner=_id("principal", told.owner),
        labels=label_set(told.labels),
        personal_data=told.personal_data,
        validity=Validity.parse(told.valid_from, told.valid_until),
    )


def _id(*names: str) -> UUID:
    return uuid5(NAMESPACE_URL, "urn:domicile:case:" + ":".join(names))
