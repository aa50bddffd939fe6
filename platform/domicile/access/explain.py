"""Why somebody may or may not do something, and what they would see: for those who may read policies.

Obligations, labelled where they are met:

1. Whoever asks may read policies in the tenant (``policy:read``), and each answer is recorded before it is given.
2. Another tenant's account or resource answers like one that never was.
3. The answer holds ids and attributes, never a title or any content: to know why is not to read.
4. Nothing is granted by asking: the account asked about does nothing, and none of its credentials is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from domicile.access.credentials import login_name
from domicile.access.events import resource_name
from domicile.access.gate import Gate
from domicile.access.profiles import Profiles
from domicile.access.resources import find_resource
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import Collection, DocumentAttributes
from domicile.domain.errors import CallerError, NotFound
from domicile.domain.principals import AuthenticationMethod, Caller, Principal, Strength
from domicile.domain.values import Region, slug
from domicile.policy.explanation import Candidate, Explanation, PolicyText
from domicile.policy.request import CollectionResource, Decision, Resource, TenantResource
from domicile.ports.repositories import Database, UnitOfWork

MAX_PAGE = 200
_METHODS = (AuthenticationMethod.SESSION, AuthenticationMethod.API_KEY, AuthenticationMethod.JOB)
_UNKNOWN = "unknown"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Question:
    """May this account do that? ``principal`` is a login or an id, ``resource`` as ``find_resource`` takes it.

    ``method`` is ``session``, ``api-key`` (one that is not narrowed) or ``job``; ``access_region`` is where it would call from,
    and ``purpose`` the short name that it would give, empty for none.
    """

    principal: str
    action: str
    resource: str
    method: str = AuthenticationMethod.SESSION.value
    access_region: str = _UNKNOWN
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision and what it came from, as interface, command and page show it. ``resource`` is ``kind:id``.

    ``policies`` determined it, those in ``failed`` by failing. For a denial ``candidates`` are the permits that name such an
    action and resource, each with what of it is not met. ``facts`` are the attributes of principal, resource and context that
    the policies saw. Not ``declared``: the schema knows no such action on such a resource.
    """

    permitted: bool
    principal_id: UUID
    action: str
    resource: str
    bundle_digest: str
    declared: bool
    failed: tuple[str, ...]
    policies: tuple[PolicyText, ...]
    candidates: tuple[Candidate, ...]
    facts: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, principal_id: UUID, action: Action, resource: Resource, explanation: Explanation) -> Answer:
        """The explanation of that request."""
        decision = explanation.decision
        return cls(
            permitted=decision.allowed,
            principal_id=principal_id,
            action=action.value,
            resource=resource_name(resource),
            bundle_digest=decision.bundle_digest,
            declared=explanation.declared,
            failed=decision.errors,
            policies=explanation.policies,
            candidates=explanation.candidates,
            facts=explanation.facts,
        )


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies that are in force in a tenant, and whom one can ask about."""

    bundle_digest: str
    policies: tuple[PolicyText, ...]
    people: tuple[Principal, ...]


@dataclass(frozen=True, slots=True)
class CollectionReach:
    """``listed``: the collection shows to the account. ``documents``: how many of it the account may read."""

    collection: Collection
    listed: bool
    documents: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an account would see: of every collection how much, and a page of the documents that it may read.

    ``total`` counts those documents; ``policies`` shaped what is in scope; ``names`` are the short names of the tenant's groups
    and collections by id; ``after`` is the cursor of the next page, None on the last.
    """

    principal: Principal
    collections: tuple[CollectionReach, ...]
    documents: tuple[DocumentAttributes, ...]
    total: int
    policies: tuple[str, ...]
    names: Mapping[UUID, str]
    after: UUID | None


class Explanations:
    """Every method raises ``Forbidden`` for those who may not read policies, and ``NotFound`` as (2) says."""

    def __init__(self, *, database: Database, gate: Gate, profiles: Profiles) -> None:
        self._database = database
        self._gate = gate
        self._profiles = profiles

    async def policies(self, caller: Caller) -> Policies:
        """The policies in force with their texts, and the tenant's accounts by login."""
        decision = await self._require(caller)
        async with self._database.reading() as unit:
            people = await unit.principals.of_tenant(caller.tenant.id)
        found = self._gate.policies_in_force(caller.tenant.id)
        await self._record(caller, decision, listed_policies=len(found), listed_users=len(people))
        named = sorted(await self._profiles.named(people), key=lambda each: each.login)
        return Policies(decision.bundle_digest, tuple(found), tuple(named))

    async def explain(self, caller: Caller, question: Question) -> Answer:
        """Also raises ``CallerError`` for an action, a method or a resource that cannot be."""
        decision = await self._require(caller)
        action, asking = _action(question.action), self._subject(caller, question)
        try:
            async with self._database.reading() as unit:
                principal = await self._member(unit, caller, question.principal)
                resource = await find_resource(unit, caller.tenant.id, question.resource)
        except NotFound:
            raise await self._absent(caller, decision) from None
        explanation = self._gate.explain(asking(principal), action, resource)
        answer = Answer.of(principal.id, action, resource, explanation)
        who = str(principal.id)
        await self._record(caller, decision, about_principal=who, about_action=answer.action, about_resource=answer.resource)
        return answer

    async def outlook(self, caller: Caller, principal: str, after: UUID | None = None, limit: int = 50) -> Outlook:
        """What that account, by login or id, would see in its own session from an unknown place."""
        if not 1 <= limit <= MAX_PAGE:
            raise CallerError(f"The limit has to be from 1 to {MAX_PAGE}.", limit=MAX_PAGE)
        decision = await self._require(caller)
        try:
            async with self._database.reading() as unit:
                found = await self._member(unit, caller, principal)
        except NotFound:
            raise await self._absent(caller, decision) from None
        subject = self._subject(caller, Question(principal, Action.DOCUMENT_READ, "tenant"))
        outlook = await self._seen(subject(found), after, limit)
        ids = tuple(each.document_id for each in outlook.documents)
        await self._record(caller, decision, ids, about_principal=str(found.id), about_documents=outlook.total)
        (named,) = await self._profiles.named([found])
        return replace(outlook, principal=named)

    async def _seen(self, subject: Caller, after: UUID | None, limit: int) -> Outlook:
        """(3) The scope that the account's own searches run with; what is shown of it is decided again, one by one."""
        scope = await self._gate.scope(subject)
        async with self._database.reading() as unit:
            collections = sorted(await unit.collections.of_tenant(subject.tenant.id), key=lambda each: each.slug)
            counts = [await unit.documents.count(scope, collection_id=each.id) for each in collections]
            page = await unit.documents.list(scope, after=after, limit=limit + 1)
            groups = await unit.principals.groups(subject.tenant.id)
        listed = self._gate.decide_each(subject, Action.COLLECTION_LIST, [CollectionResource.of(each) for each in collections])
        shown = [each.attributes for each in page[:limit]]
        decisions = self._gate.decide_each(subject, Action.DOCUMENT_READ, shown)
        return Outlook(
            principal=subject.principal,
            collections=tuple(
                CollectionReach(each, decision.allowed, count)
                for each, decision, count in zip(collections, listed, counts, strict=True)
            ),
            documents=tuple(each for each, decision in zip(shown, decisions, strict=True) if decision.allowed),
            total=sum(counts),
            policies=scope.policies,
            names={each.id: each.slug for each in collections} | {each.id: each.slug for each in groups},
            after=shown[-1].document_id if len(page) > limit else None,
        )

    def _subject(self, caller: Caller, question: Question) -> Callable[[Principal], Caller]:
        """(4) Whoever asks so, now, with no credential of theirs. Raises ``CallerError`` for what cannot be."""
        method, purpose = _method(question.method), slug(question.purpose) if question.purpose else ""
        return partial(
            Caller,
            tenant=caller.tenant,
            method=method,
            access_region=_access_region(question),
            purpose=purpose,
            strength=Strength.NONE if method is AuthenticationMethod.JOB else Strength.SINGLE,
            at=self._gate.now(),
        )

    async def _member(self, unit: UnitOfWork, caller: Caller, reference: str) -> Principal:
        """The account of the caller's tenant with that login or id; raises ``NotFound``, also for another tenant's."""
        if _UUID.fullmatch(reference):
            found = await unit.principals.get(UUID(reference))
        else:
            digest = await self._profiles.login_digest(login_name(reference))
            by_login = await unit.principals.by_login_digest(digest)
            if by_login is None:
                raise NotFound()
            found = by_login[0]
        if found.tenant_id != caller.tenant.id:  # (2)
            raise NotFound()
        return found

    async def _require(self, caller: Caller) -> Decision:
        return await self._gate.require(caller, Action.POLICY_READ, TenantResource(caller.tenant.id))  # (1)

    async def _record(self, caller: Caller, decision: Decision, documents: tuple[UUID, ...] = (), **about: str | int) -> None:
        resource, detail = TenantResource(caller.tenant.id), tuple(about.items())
        await self._gate.record(  # (1)
            caller, Action.POLICY_READ, resource, Outcome.PERMITTED, decision, documents=documents, detail=detail
        )

    async def _absent(self, caller: Caller, decision: Decision) -> NotFound:
        """(2) The error to raise, once the attempt is recorded."""
        resource = TenantResource(caller.tenant.id)
        await self._gate.record(caller, Action.POLICY_READ, resource, Outcome.DENIED, decision, reason=NotFound.slug)
        return NotFound("There is no such account or resource in this tenant.", hint="Check the login and the id.")


def _action(text: str) -> Action:
    try:
        return Action(text)
    except ValueError:
        raise CallerError(f"'{text[:64]}' is not an action.", hint="Use names like 'document:read'.") from None


def _method(text: str) -> AuthenticationMethod:
    if text not in _METHODS:
        raise CallerError(f"'{text[:64]}' is not a way to call.", hint=f"Use {', '.join(_METHODS)}.")
    return AuthenticationMethod(text)


def _access_region(question: Question) -> str:
    return question.access_region if question.access_region == _UNKNOWN else Region(question.access_region).name
