"""Setting up tenants, their people and their keys: the operator's work, and a tenant administrator's within one tenant.

Every change commits together with its audit event.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domicile.access.credentials import acceptable_password, login_name, new_api_key, stored_hash
from domicile.access.gate import Gate
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError, NotFound, RegionRefused
from domicile.domain.principals import ApiKey, AuthenticationMethod, Caller, Grant, Group, Principal, Tenant
from domicile.domain.values import Classification, Region, Role, clean_text, slug
from domicile.policy.request import Decision, TenantResource
from domicile.ports.clock import Clock
from domicile.ports.identity import PasswordHasher
from domicile.ports.repositories import Database

#: The operator is nobody's user: an id that no clock makes, and no clearance to read anything.
_OPERATOR_ID = UUID(int=0)
_LONGEST_NAME = 200  # characters of a tenant's, person's or key's display name
_VERBS = frozenset(action.value for action in Action)


class Administration:
    """Changes are decided by policy (``member:create``, ``apikey:create``, ``apikey:revoke``, ``tenant:create``).

    All raise ``Forbidden`` or ``NotFound`` as the gate does, ``CallerError`` for values that cannot be, and
    ``AlreadyExists`` for names in use.
    """

    def __init__(self, *, database: Database, hasher: PasswordHasher, gate: Gate, clock: Clock) -> None:
        self._database = database
        self._hasher = hasher
        self._gate = gate
        self._clock = clock

    @staticmethod
    def operator_caller(tenant: Tenant) -> Caller:
        """Whoever runs a command on the machine itself, acting on that tenant."""
        nobody = Principal(_OPERATOR_ID, tenant.id, "operator", "Operator", Role.MEMBER, Classification.PUBLIC)
        return Caller(nobody, tenant, AuthenticationMethod.OPERATOR)

    # --- The operator ----------------------------------------------------------------------------------------------------
    async def create_tenant(self, slug_: str, name: str, region: Region) -> Tenant:
        """A new tenant of this cell. Raises ``RegionRefused``, naming the region, for one that this cell is not in."""
        tenant = Tenant(self._clock.new_id(), slug(slug_), _display(name), region)
        caller, resource = self.operator_caller(tenant), TenantResource(tenant.id)
        decision = await self._gate.require(caller, Action.TENANT_CREATE, resource)
        if region != self._gate.cell_region:
            await self._gate.record(caller, Action.TENANT_CREATE, resource, Outcome.DENIED, decision, reason="region-refused")
            detail = f"This cell is in region '{self._gate.cell_region}' and does not serve region '{region}'."
            raise RegionRefused(detail, region=region.name)
        async with self._database.writing() as unit:
            await unit.tenants.add(tenant)
            await unit.audit.append(self._permitted(caller, Action.TENANT_CREATE, decision, tenant=tenant.id))
            await unit.commit()
        return tenant

    async def tenant(self, slug_: str) -> Tenant:
        """The tenant of that slug, for a command on the machine itself; raises ``NotFound``. Holds nothing but its name."""
        async with self._database.reading() as unit:
            return await unit.tenants.by_slug(slug_)

    async def tenants(self) -> Sequence[Tenant]:
        """Every tenant of the cell, for a command on the machine itself. Each tenant's auditors can see that it was listed."""
        async with self._database.reading() as unit:
            found = await unit.tenants.all()
        decided = [(each, await self._require(self.operator_caller(each), Action.TENANT_READ)) for each in found]
        events = [self._permitted(self.operator_caller(each), Action.TENANT_READ, decision) for each, decision in decided]
        await self._gate.append(*events)
        return [each for each, _ in decided]

    # --- People ----------------------------------------------------------------------------------------------------------
    async def create_group(self, caller: Caller, slug_: str) -> Group:
        decision = await self._require(caller, Action.MEMBER_CREATE)
        group = Group(self._clock.new_id(), caller.tenant.id, slug(slug_))
        async with self._database.writing() as unit:
            await unit.principals.add_group(group)
            await unit.audit.append(self._permitted(caller, Action.MEMBER_CREATE, decision, group=group.id))
            await unit.commit()
        return group

    async def create_user(
        self,
        caller: Caller,
        login: str,
        display: str,
        role: Role,
        clearance: Classification,
        groups: Sequence[str] = (),
        password: str | None = None,
    ) -> Principal:
        """A new member of the caller's tenant, in those groups (by slug). Without a password it can only use API keys."""
        decision = await self._require(caller, Action.MEMBER_CREATE)
        memberships = await self._group_ids(caller.tenant.id, groups)
        principal = Principal(
            self._clock.new_id(), caller.tenant.id, login_name(login), _display(display), role, clearance, memberships
        )
        password_hash = None if password is None else await self._hasher.hash(acceptable_password(password))
        async with self._database.writing() as unit:
            await unit.principals.add(principal, password_hash)
            await unit.audit.append(self._permitted(caller, Action.MEMBER_CREATE, decision, principal=principal.id))
            await unit.commit()
        return principal

    async def set_password(self, caller: Caller, principal_id: UUID, password: str) -> None:
        """Also ends every session of that principal."""
        decision = await self._require(caller, Action.MEMBER_CREATE)
        principal = await self._member(caller, Action.MEMBER_CREATE, decision, principal_id)
        password_hash = await self._hasher.hash(acceptable_password(password))
        async with self._database.writing() as unit:
            await unit.principals.set_password(principal.id, password_hash)
            await unit.audit.append(self._permitted(caller, Action.MEMBER_CREATE, decision, password_of=principal.id))
            await unit.commit()

    async def users(self, caller: Caller) -> Sequence[Principal]:
        """The members of the caller's tenant."""
        decision = await self._require(caller, Action.MEMBER_CREATE)
        async with self._database.reading() as unit:
            found = await unit.principals.of_tenant(caller.tenant.id)
        await self._listed(caller, Action.MEMBER_CREATE, decision, "users", len(found))
        return found

    async def user(self, caller: Caller, login: str) -> Principal:
        """The member of the caller's tenant with that login; raises ``NotFound``, also for another tenant's."""
        for each in await self.users(caller):
            if each.login == login:
                return each
        raise NotFound(f"There is no user '{login[:64]}' in this tenant.", hint="Check the login and the tenant.")

    async def groups(self, caller: Caller) -> Sequence[Group]:
        """The groups of the caller's tenant."""
        decision = await self._require(caller, Action.MEMBER_CREATE)
        async with self._database.reading() as unit:
            found = await unit.principals.groups(caller.tenant.id)
        await self._listed(caller, Action.MEMBER_CREATE, decision, "groups", len(found))
        return found

    # --- API keys --------------------------------------------------------------------------------------------------------
    async def create_api_key(
        self,
        caller: Caller,
        principal_id: UUID,
        label: str,
        verbs: frozenset[str] | None = None,
        collections: frozenset[UUID] | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """A key that acts for that principal, and its secret, which is shown now and never again.

        ``verbs`` are action names; ``None`` for verbs or collections narrows nothing, an empty set permits nothing.
        """
        decision = await self._require(caller, Action.APIKEY_CREATE)
        principal = await self._member(caller, Action.APIKEY_CREATE, decision, principal_id)
        now = self._clock.now()
        if expires_at is not None and (expires_at.tzinfo is None or expires_at <= now):
            raise CallerError("The key's expiry is not a time in the future.", hint="Give a time zone and a later time.")
        await self._check_collections(caller, decision, collections)
        grant = Grant(_known_verbs(verbs), collections)
        prefix, secret = new_api_key()
        key = ApiKey(self._clock.new_id(), principal.tenant_id, principal.id, _display(label), prefix, grant, now, expires_at)
        async with self._database.writing() as unit:
            await unit.credentials.add_api_key(key, stored_hash(secret))
            await unit.audit.append(
                self._permitted(caller, Action.APIKEY_CREATE, decision, apikey=key.id, principal=principal.id)
            )
            await unit.commit()
        return key, secret

    async def revoke_api_key(self, caller: Caller, key_id: UUID) -> None:
        """Works everywhere within two seconds. Raises ``NotFound``, also for another tenant's key."""
        decision = await self._require(caller, Action.APIKEY_REVOKE)
        try:
            async with self._database.writing() as unit:
                await unit.credentials.revoke_api_key(caller.tenant.id, key_id, self._clock.now())
                await unit.audit.append(self._permitted(caller, Action.APIKEY_REVOKE, decision, apikey=key_id))
                await unit.commit()
        except NotFound:
            await self._absent(caller, Action.APIKEY_REVOKE, decision)
            raise

    async def api_keys(self, caller: Caller) -> Sequence[ApiKey]:
        """The keys of the caller's tenant, without their secrets, which nobody has any more."""
        decision = await self._require(caller, Action.APIKEY_CREATE)
        async with self._database.reading() as unit:
            found = await unit.credentials.api_keys(caller.tenant.id)
        await self._listed(caller, Action.APIKEY_CREATE, decision, "apikeys", len(found))
        return found

    # --- What they share -------------------------------------------------------------------------------------------------
    async def _require(self, caller: Caller, action: Action) -> Decision:
        return await self._gate.require(caller, action, TenantResource(caller.tenant.id))

    async def _member(self, caller: Caller, action: Action, decision: Decision, principal_id: UUID) -> Principal:
        """Someone of the caller's tenant; another tenant's id is refused, audited, as if it did not exist."""
        try:
            async with self._database.reading() as unit:
                principal = await unit.principals.get(principal_id)
        except NotFound:
            await self._absent(caller, action, decision)
            raise
        await self._gate.require(caller, action, TenantResource(principal.tenant_id))
        return principal

    async def _group_ids(self, tenant_id: UUID, slugs: Sequence[str]) -> frozenset[UUID]:
        async with self._database.reading() as unit:
            known = {group.slug: group.id for group in await unit.principals.groups(tenant_id)}
        if unknown := sorted(set(slugs) - known.keys()):
            raise CallerError(f"There is no group '{slug(unknown[0])}'.", hint="Create the group first.")
        return frozenset(known[each] for each in slugs)

    async def collection_ids(self, caller: Caller, slugs: Sequence[str]) -> frozenset[UUID]:
        """The ids of those collections of the caller's tenant, to narrow a key to; raises ``NotFound``."""
        await self._require(caller, Action.APIKEY_CREATE)
        async with self._database.reading() as unit:
            return frozenset([(await unit.collections.by_slug(caller.tenant.id, each)).id for each in slugs])

    async def _check_collections(self, caller: Caller, decision: Decision, collections: frozenset[UUID] | None) -> None:
        """A key cannot name another tenant's collections: ``NotFound``, as for those that do not exist."""
        if not collections:
            return
        async with self._database.reading() as unit:
            own = {collection.id for collection in await unit.collections.of_tenant(caller.tenant.id)}
        if not collections <= own:
            await self._absent(caller, Action.APIKEY_CREATE, decision)
            raise NotFound()

    async def _absent(self, caller: Caller, action: Action, decision: Decision) -> None:
        """Record that something was named which the tenant does not have: nothing was changed."""
        resource = TenantResource(caller.tenant.id)
        await self._gate.record(caller, action, resource, Outcome.DENIED, decision, reason="not-found")

    def _permitted(self, caller: Caller, action: Action, decision: Decision, **changed: UUID) -> AuditEvent:
        return self._gate.event(
            caller,
            action,
            TenantResource(caller.tenant.id),
            Outcome.PERMITTED,
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
            detail=tuple((name, str(value)) for name, value in changed.items()),
        )

    async def _listed(self, caller: Caller, action: Action, decision: Decision, what: str, how_many: int) -> None:
        """Reads are recorded too, under the right that they need, before they are answered."""
        resource = TenantResource(caller.tenant.id)
        await self._gate.record(caller, action, resource, Outcome.PERMITTED, decision, detail=((f"listed_{what}", how_many),))


def _display(text: str) -> str:
    name = clean_text(text).strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise CallerError("That is not a valid name.", hint=f"Use 1 to {_LONGEST_NAME} printable characters.")
    return name


def _known_verbs(verbs: frozenset[str] | None) -> frozenset[str] | None:
    if verbs is not None and not verbs <= _VERBS:
        raise CallerError("A key's verbs must be action names.", hint="Use names like 'search:create'.")
    return verbs
