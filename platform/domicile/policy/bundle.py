"""A set of policies, checked as a whole when it is loaded, and immutable from then on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import cedarpy

from domicile.domain.actions import Action
from domicile.domain.errors import PolicyInvalid
from domicile.domain.principals import AuthenticationMethod, Caller, Grant, Principal, Tenant
from domicile.domain.values import Classification, Region, Role
from domicile.policy.compilable import require_compilable
from domicile.policy.entities import DOCUMENT, RESOURCE_TYPES, cedar_request, context, encode, principal_entity
from domicile.policy.expressions import calculates
from domicile.policy.parsing import Policy, applicable, mentions, parse_policies, parse_schema, policy_set, require_readable
from domicile.policy.partial import ScopeRefused, partial_request, residual_scope
from domicile.policy.regions import RegionBook
from domicile.policy.request import Request, TenantResource
from domicile.policy.slices import Applicable
from domicile.policy.sources import PolicySource, find_sources
from domicile.policy.tenant import PREFIX, TENANT_ACTIONS, tenant_policies

_SAMPLE_ID = UUID(int=1)
_SAMPLE_REGION = Region("xx-sample")
#: In a cell nobody asks at no time at all, and what is calculated with the time may fail by it.
_SAMPLE_TIME = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PolicyBundle:
    """What a decision point decides by. ``digest`` (SHA-256 in hex) names the exact texts in every decision's record."""

    digest: str
    #: Id of the key whose signature of this digest was verified when it was loaded; empty where nobody's was required.
    signed_by: str
    ids: frozenset[str]
    #: The policies that can apply, by action and resource type. What the schema does not know is not here, and is denied.
    applicable: Mapping[tuple[Action, str], Applicable]
    #: The schema's actions, which decisions add principals and resources to.
    actions: cedarpy.Entities
    #: What each policy says of itself in its ``@reason``, by its id.
    reasons: Mapping[str, str]
    #: Where each policy stands and how it is written, by its id.
    sources: Mapping[str, PolicySource]
    #: Regions, jurisdictions and the transfers between them.
    regions: RegionBook
    #: Whether a policy names particular documents, so that even documents with equal attributes may differ.
    names_documents: bool
    #: What a tenant's own policies are checked against, and what they are added to.
    schema: cedarpy.Schema
    policies: Mapping[str, Policy]

    @classmethod
    def parse(cls, schema: str, policies: Mapping[str, str], regions: str = "") -> PolicyBundle:
        """The bundle of a Cedar schema, policy texts by file name, and the text of ``regions.yaml``.

        Raises ``PolicyInvalid``, naming the policy or file, for what cannot be parsed or does not fit the schema, for a
        missing or repeated ``@id``, for templates, and for a policy on documents that cannot be compiled into a scope.
        """
        parsed_schema = parse_schema(schema)
        parsed = parse_policies(policies, parsed_schema)
        actions = cedarpy.Entities.from_json_str("[]", parsed_schema)
        require_readable(parsed)  # what cannot be read is found now and not by the first caller whom it concerns
        bundle = cls(
            digest=cls.digest_of(schema, policies, regions),
            signed_by="",
            ids=frozenset(parsed),
            applicable=_by_request(parsed, parsed_schema),
            actions=actions,
            regions=RegionBook.parse(regions) if regions else RegionBook.empty(),
            reasons=_reasons(parsed),
            sources=find_sources(policies, parsed),
            names_documents=mentions(parsed.values(), DOCUMENT),
            schema=parsed_schema,
            policies=parsed,
        )
        if posing := [id_ for id_ in parsed if id_.startswith(PREFIX)]:
            raise PolicyInvalid(f"Ids that begin with '{PREFIX}' are those of tenants' own policies.", policy=posing[0])
        on_documents = _on_documents(parsed, bundle.applicable)
        require_compilable(on_documents, bundle.sources)
        bundle._probe(on_documents)
        return bundle

    def with_tenant(self, tenant_id: UUID, texts: Mapping[str, str]) -> PolicyBundle:
        """This bundle and a tenant's own policies, from texts by file name. Their ids begin with ``tenant/``.

        Only decisions on ``TENANT_ACTIONS`` can differ from this bundle's. Raises ``PolicyInvalid`` for what ``parse`` refuses,
        and for what a tenant's policies may not do or be (``policy.tenant``).
        """
        added = tenant_policies(tenant_id, texts, self.schema)
        if not added.written:
            return self
        require_compilable(_on_documents(added.written, self.applicable), added.found)
        policies = {**self.policies, **added.policies}
        bundle = replace(
            self,
            digest=_tenant_digest(self.digest, texts),
            ids=frozenset(policies),
            applicable={**self.applicable, **_tenant_requests(self.applicable, policies)},
            reasons=_reasons(policies),
            sources={**self.sources, **added.sources},
            names_documents=self.names_documents or mentions(added.policies.values(), DOCUMENT),
            policies=policies,
        )
        PolicyBundle._probe(bundle, _on_documents(added.policies, self.applicable))
        return bundle

    def without(self, tenant_texts: Mapping[str, str]) -> PolicyBundle:
        """What decides for a tenant whose own policies do not fit: they are read and written, and nothing else is done."""
        kept = (Action.POLICY_READ, Action.POLICY_WRITE)
        applicable_ = {key: policies for key, policies in self.applicable.items() if key[0] in kept}
        return replace(self, digest=_tenant_digest(self.digest, tenant_texts), applicable=applicable_)

    def with_caller(self, caller: Caller) -> cedarpy.Entities:
        """The actions and the caller's principal, for documents and other resources to be added to."""
        return self.actions.with_added_json_str(encode([principal_entity(caller)]))

    @staticmethod
    def digest_of(schema: str, policies: Mapping[str, str], regions: str = "") -> str:
        """The digest that ``parse`` would give these texts, for a signature of them to be checked before they are parsed."""
        return _digest(schema, policies, regions)

    def _probe(self, policies: Mapping[str, Policy]) -> None:
        """Make scopes for sample callers, to find policies that fail for some of them while nobody waits.

        One caller tells whether a policy fails for all of them. Only by calculating does it fail for some.
        """
        first, *others = _samples()
        self._try(policies, [first])
        self._try({id_: policy for id_, policy in policies.items() if calculates(policy)}, others)

    def _try(self, policies: Mapping[str, Policy], callers: Iterable[Caller]) -> None:
        actions = sorted(action for action, resource_type in self.applicable if resource_type == DOCUMENT)
        sets = {each: policy_set(found) for each in actions if (found := applicable(policies, each, DOCUMENT))}
        for caller in callers if sets else ():
            entities = self.with_caller(caller)
            for action, tried in sets.items():
                request = partial_request(caller.principal, action.value, context(caller, action.value, _SAMPLE_REGION, ()))
                try:
                    residual_scope(tried, entities, caller.principal, request)
                except ScopeRefused as refusal:
                    raise self._failure(refusal, caller.principal) from refusal

    def _failure(self, refusal: ScopeRefused, principal: Principal) -> PolicyInvalid:
        names = ", ".join(f"'{id_}' ({self.sources[id_].file}, line {self.sources[id_].line})" for id_ in refusal.policies)
        who = f"role {principal.role.value}, clearance {principal.clearance.name.lower()}"
        return PolicyInvalid(
            f"Policy {names} fails for some callers ({who}): {refusal.reason}.",
            hint="Write it so that it cannot fail: a policy that fails denies, whatever the others say.",
            policy=refusal.policies[0] if refusal.policies else "",
        )


def _on_documents(policies: Mapping[str, Policy], kinds: Iterable[tuple[Action, str]]) -> dict[str, Policy]:
    """The policies that can apply to a document."""
    actions = [action for action, resource_type in kinds if resource_type == DOCUMENT]
    return {id_: policy for action in actions for id_, policy in applicable(policies, action, DOCUMENT).items()}


def _samples() -> Iterator[Caller]:
    """Callers that differ in everything that policies commonly branch on."""
    tenant = Tenant(_SAMPLE_ID, "sample", "Sample", _SAMPLE_REGION)
    narrowed = Grant(verbs=frozenset({Action.DOCUMENT_READ.value}), collections=frozenset({_SAMPLE_ID}))
    ways = [
        (AuthenticationMethod.SESSION, Grant()),
        (AuthenticationMethod.API_KEY, narrowed),
        (AuthenticationMethod.JOB, Grant()),
        (AuthenticationMethod.OPERATOR, Grant()),
    ]
    for role in Role:
        for clearance, groups in (
            (Classification.PUBLIC, frozenset[UUID]()),
            (Classification.RESTRICTED, frozenset({_SAMPLE_ID})),
        ):
            principal = Principal(_SAMPLE_ID, tenant.id, "sample", "Sample", role, clearance, groups)
            yield from (Caller(principal, tenant, method, grant, at=_SAMPLE_TIME) for method, grant in ways)


def _by_request(policies: Mapping[str, Policy], schema: cedarpy.Schema) -> dict[tuple[Action, str], Applicable]:
    """The applicable policies for each combination that the schema's ``appliesTo`` declares."""
    known = _declared(schema)
    missing = set(Action) - {action for action, _ in known}
    if missing:
        raise PolicyInvalid(f"The policy schema does not declare the action '{min(missing)}'.")
    return {key: Applicable(applicable(policies, *key)) for key in known}


def _reasons(policies: Mapping[str, Policy]) -> dict[str, str]:
    return {id_: policy["annotations"].get("reason") or "" for id_, policy in policies.items()}


def _tenant_requests(
    platform: Iterable[tuple[Action, str]], policies: Mapping[str, Policy]
) -> dict[tuple[Action, str], Applicable]:
    """The applicable policies for the requests that a tenant's may decide."""
    require_readable(policies)
    return {key: Applicable(applicable(policies, *key)) for key in platform if key[0] in TENANT_ACTIONS}


def _declared(schema: cedarpy.Schema) -> list[tuple[Action, str]]:
    """Which actions apply to which resource types. Cedar refuses to build a request that its schema does not declare."""
    caller = next(_samples())
    combinations = [(action, resource_type) for action in Action for resource_type in RESOURCE_TYPES]
    requests = []
    for action, resource_type in combinations:
        request = Request(caller, action, TenantResource(_SAMPLE_ID), _SAMPLE_REGION)
        sample = cedar_request(request, context(caller, action.value, _SAMPLE_REGION, ()))
        requests.append({**sample, "resource": {"type": resource_type, "id": "sample"}})
    results = cedarpy.is_authorized_batch(requests, cedarpy.PolicySet.from_str(""), "[]", schema)
    return [key for key, result in zip(combinations, results, strict=True) if not result.diagnostics.errors]


def _digest(schema: str, policies: Mapping[str, str], regions: str) -> str:
    """SHA-256 over each file's name and text, sorted by name, each preceded by its length so that no two bundles collide."""
    return _sha256({**policies, "regions.yaml": regions, "schema.cedarschema": schema})


def _tenant_digest(platform: str, texts: Mapping[str, str]) -> str:
    """As above, over the digest of what the tenant's texts are added to and those texts. No file is called ``platform``."""
    return _sha256({"platform": platform, **texts})


def _sha256(texts: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for part in (text for name in sorted(texts) for text in (name, texts[name])):
        digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
    return digest.hexdigest()
