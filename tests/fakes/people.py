"""Small builders of tenants, people, callers and documents. Every argument has a plain default; name what the test is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from domicile.domain.documents import Collection, DocumentAttributes
from domicile.domain.principals import AuthenticationMethod, Caller, Grant, Group, Principal, SealedProfile, Tenant
from domicile.domain.values import Classification, Region, Role

HOME = Region("eu-de")
#: When the callers' requests come.
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
ELSEWHERE = Region("us-va")


def uid(name: str) -> UUID:
    """The same id for the same name, so that a failing test reads the same on every run."""
    return uuid5(NAMESPACE_OID, name)


def tenant(slug: str = "acme", region: Region = HOME, allowing: Iterable[Region] = ()) -> Tenant:
    return Tenant(uid(f"tenant/{slug}"), slug, slug.title(), region, frozenset(allowing))


def group(slug: str = "finance", of: Tenant | None = None) -> Group:
    owner = of or tenant()
    return Group(uid(f"group/{owner.slug}/{slug}"), owner.id, slug)


def collection(slug: str = "handbook", of: Tenant | None = None, region: Region = HOME) -> Collection:
    owner = of or tenant()
    return Collection(uid(f"collection/{owner.slug}/{slug}"), owner.id, slug, region)


def principal(
    login: str = "mia",
    of: Tenant | None = None,
    *,
    role: Role = Role.MEMBER,
    clearance: Classification = Classification.INTERNAL,
    groups: Iterable[UUID] = (),
    disabled: bool = False,
) -> Principal:
    owner = of or tenant()
    id_ = uid(f"principal/{owner.slug}/{login}")
    return Principal(id_, owner.id, login, login.title(), role, clearance, frozenset(groups), disabled)


def unnamed(who: Principal) -> Principal:
    """As the database gives it: without the names, which are sealed."""
    return replace(who, login="", display="")


def digest(login: str) -> bytes:
    """Stands for a login's keyed digest where nobody has keys."""
    return sha256(login.encode()).digest()


def stored(who: Principal, login_digest: bytes = b"") -> Principal:
    """As the database gives it, with a profile that nobody can open; it is found by the digest, ``digest``'s if not given."""
    return replace(unnamed(who), profile=SealedProfile(login_digest or digest(who.login), b"envelope", uid(f"key/{who.login}")))


def caller(
    who: Principal | None = None,
    of: Tenant | None = None,
    *,
    method: AuthenticationMethod = AuthenticationMethod.SESSION,
    verbs: Iterable[str] | None = None,
    collections: Iterable[UUID] | None = None,
) -> Caller:
    """A request by that principal; ``verbs`` and ``collections`` narrow it as an API key's grant does (``None``: not)."""
    owner = of or tenant()
    grant = Grant(None if verbs is None else frozenset(verbs), None if collections is None else frozenset(collections))
    credential = uid("credential") if method is AuthenticationMethod.API_KEY else None
    return Caller(who or principal(of=owner), owner, method, grant, credential, request_id="request-1", at=NOON)


def document(
    name: str = "leave-policy",
    of: Tenant | None = None,
    *,
    in_collection: Collection | None = None,
    region: Region = HOME,
    classification: Classification = Classification.INTERNAL,
    groups: Iterable[UUID] = (),
    **further: Any,
) -> DocumentAttributes:
    """``further`` are an owner, labels, personal data and a validity, as ``DocumentAttributes`` takes them."""
    tenant_of = of or tenant()
    where = in_collection or collection(of=tenant_of)
    return DocumentAttributes(
        tenant_of.id,
        uid(f"document/{tenant_of.slug}/{name}"),
        where.id,
        region,
        classification,
        frozenset(groups),
        **further,
    )
