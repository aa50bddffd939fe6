"""Setting up tenants, their people and their keys: the operator's work, and a tenant administrator's within one tenant.

Every change commits together with its audit event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domicile.access.credentials import acceptable_password, login_name, new_api_key, stored_hash
from domicile.access.gate import Gate
from domicile.access.naming import group_ids
from domicile.access.profiles import Profile, Profiles
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import AlreadyExists, CallerError, NotFound, RegionRefused
from domicile.domain.principals import ApiKey, AuthenticationMethod, Caller, Grant, Group, Principal, PrincipalKind, Tenant
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

    def __init__(self, *, database: Database, hasher: PasswordHasher, gate: Gate, clock: Clock, profiles: Profiles) -> None:
        self._database = database
        self._hasher = hasher
        self._gate = gate
        self._clock = clock
        self._profiles = profiles

    @staticmethod
    def operator_caller(tenant: Tenant, at: datetime | None = None) -> Caller:
        """Whoever runs a command on the machine itself, acting on that tenant."""
        nobody = Principal(_OPERATOR_ID, tenant.id, "operator", "Operator", Role.OPERATOR, Classification.PUBLIC)
        return Caller(nobody, tenant, AuthenticationMethod.OPERATOR, at=at)

    # --- The operator ----------------------------------------------------------------------------------------------------
    async def create_tenant(
        self, slug_: str, name: str, region: Region, allowed_regions: frozenset[Region] = frozenset()
    ) -> Tenant:
        """A new tenant of this cell, at home in that region. Raises ``RegionRefused`` if it does not allow this cell's."""
        tenant = Tenant(self._clock.new_id(), slug(slug_), _display(name), region, allowed_regions)
        caller = self.operator_caller(tenant, self._clock.now())
        await self._check_here(caller, tenant)
        decision = await self._require(caller, Action.TENANT_CREATE)
        async with self._database.writing() as unit:
            await unit.tenants.add(tenant)
            await unit.audit.append(self._permitted(caller, Action.TENANT_CREATE, decision, tenant=tenant.id))
            await unit.commit()
        return tenant

    async def allow_regions(self, tenant: Tenant, regions: frozenset[Region]) -> Tenant:
        """The tenant with exactly those regions allowed beside its home. Raises as ``create_tenant``.

        A running service goes by them within ``trusted.SECONDS_TRUSTED``.
        """
        changed = replace(tenant, allowed_regions=regions - {tenant.region})
        caller = self.operator_caller(changed, self._clock.now())
        await self._check_here(caller, changed)
        decision = await self._require(caller, Action.TENANT_CREATE)
        names = ",".join(sorted(each.name for each in changed.allowed_regions))
        event = self._gate.event(
            caller,
            Action.TENANT_CREATE,
            TenantResource(tenant.id),
            Outcome.PERMITTED,
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
            detail=(("allowed_regions", names),),
        )
        async with self._database.writing() as unit:
            await unit.tenants.set_allowed_regions(tenant.id, changed.allowed_regions)
            await unit.audit.append(event)
            await unit.commit()
        return changed

    async def _check_here(self, caller: Caller, tenant: Tenant) -> None:
        here, resource = self._gate.cell_region, TenantResource(tenant.id)
        if here in tenant.regions:
            return
        (decision,) = self._gate.decide_each(caller, Action.TENANT_CREATE, [resource])
        await self._gate.record(caller, Action.TENANT_CREATE, resource, Outcome.DENIED, decision, reason=RegionRefused.slug)
        raise RegionRefused(
            f"This cell is in region '{here}', and the tenant's data may only be in {_listed_regions(tenant.regions)}.",
            hint=f"Use the cell of that region, or allow '{here}' for the tenant.",
            region=tenant.region.name,
        )

    async def tenant(self, slug_: str) -> Tenant:
        """The tenant of that slug, for a command on the machine itself; raises ``NotFound``. Holds nothing but its name."""
        try:
            async with self._database.reading() as unit:
                return await unit.tenants.by_slug(slug_)
        except NotFound:
            raise NotFound(f"There is no tenant '{slug_[:64]}' in this cell.", hint="See 'domicile tenant list'.") from None

    async def tenants(self) -> Sequence[Tenant]:
        """Every tenant of the cell, for a command on the machine itself. Each tenant's auditors can see that it was listed."""
        async with self._database.reading() as unit:
            found = await unit.tenants.all()
        now = self._clock.now()
        callers = [self.operator_caller(each, now) for each in found]
        decided = [(caller, await self._require(caller, Action.TENANT_READ)) for caller in callers]
        events = [self._permitted(caller, Action.TENANT_READ, decision) for caller, decision in decided]
        await self._gate.append(*events)
        return found

    # --- People ----------------------------------------------------------------------------------------------------------
    async def create_group(self, caller: Caller, slug_: str, parents: Sequence[str] = ()) -> Group:
        """A new group, within those ones (by slug): its members are in them, too."""
        decision = await self._require(caller, Action.MEMBER_CREATE)
        above = await self._group_ids(caller.tenant.id, parents)
        group = Group(self._clock.new_id(), caller.tenant.id, slug(slug_))
        async with self._database.writing() as unit:
            await unit.principals.add_group(group)
            for parent in sorted(above):
                await unit.principals.nest_group(group.id, parent)
            await unit.audit.append(self._permitted(caller, Action.MEMBER_CREATE, decision, group=group.id))
            await unit.commit()
        return group

    async def nest_group(self, caller: Caller, slug_: str, parent: str) -> None:
        """From now on, whoever is in the group is in the parent, too. Raises ``CallerError`` if that would be a circle."""
        decision = await self._require(caller, Action.MEMBER_CREATE)
        (inner,) = await self._group_ids(caller.tenant.id, [slug_])
        (outer,) = await self._group_ids(caller.tenant.id, [parent])
        async with self._database.writing() as unit:
            nests = await unit.principals.nested_groups(caller.tenant.id)
            if inner in _upwards(outer, nests):
                raise CallerError(
                    f"The group '{slug(parent)}' is within '{slug(slug_)}' itself.", hint="Groups cannot be in a circle."
                )
            if (inner, outer) in nests:
                raise AlreadyExists(f"The group '{slug(slug_)}' is in '{slug(parent)}' already.", hint="Nothing is to be done.")
            await unit.principals.nest_group(inner, outer)
            await unit.audit.append(self._permitted(caller, Action.MEMBER_CREATE, decision, group=inner, parent=outer))
            await unit.commit()

    async def unnest_group(self, caller: Caller, slug_: str, parent: str) -> None:
        """From now on, who is in the group is in the parent only by other ways. Raises ``CallerError`` if it is not in it."""
        decision = await self._require(caller, Action.MEMBER_CREATE)
        (inner,) = await self._group_ids(caller.tenant.id, [slug_])
        (outer,) = await self._group_ids(caller.tenant.id, [parent])
        try:
            async with self._database.writing() as unit:
                await unit.principals.unnest_group(inner, outer)
                await unit.audit.append(self._permitted(caller, Action.MEMBER_CREATE, decision, group=inner, no_parent=outer))
                await unit.commit()
        except NotFound:
            raise CallerError(
                f"The group '{slug(slug_)}' is not in '{slug(parent)}' itself.", hint="'domicile group list' shows what is."
            ) from None

    async def nested_groups(self, caller: Caller) -> Sequence[tuple[UUID, UUID]]:
        """Each (group, parent) of the caller's tenant."""
        decision = await self._require(caller, Action.MEMBER_CREATE)
        async with self._database.reading() as unit:
            found = await unit.principals.nested_groups(caller.tenant.id)
        await self._listed(caller, Action.MEMBER_CREATE, decision, "nested_groups", len(found))
        return found

    async def create_user(
        self,
        caller: Caller,
        login: str,
        display: str,
        role: Role,
        clearance: Classification,
        groups: Sequence[str] = (),
        password: str | None = None,
        kind: PrincipalKind = PrincipalKind.USER,
    ) -> Principal:
        """A new member of the caller's tenant, in those groups (by slug). Without a password it can only use API keys.

        A service never has a password.
        """
        decision = await self._require(caller, Action.MEMBER_CREATE)
        if kind is PrincipalKind.SERVICE and password is not None:
            raise CallerError("Nobody signs in as a service, so it has no password.", hint="Make it an API key.")
        memberships = await self._group_ids(caller.tenant.id, groups)
        principal = Principal(
            id=self._clock.new_id(),
            tenant_id=caller.tenant.id,
            login=login_name(login),
            display=_display(display),
            role=role,
            clearance=clearance,
            groups=memberships,
            kind=kind,
        )
        password_hash = None if password is None else await self._hasher.hash(acceptable_password(password))
        # An account that never comes to be, because its login is taken, leaves a key that nothing names: the sweep destroys it.
        sealed = await self._profiles.seal(caller.tenant.id, {principal.id: Profile(principal.login, principal.display)})
        principal = replace(principal, profile=sealed[principal.id])
        async with self._database.writing() as unit:
            await unit.principals.add(principal, password_hash)
            await unit.audit.append(self._permitted(caller, Action.MEMBER_CREATE, decision, principal=principal.id))
            await unit.commit()
        return principal

    async def set_password(self, caller: Caller, principal_id: UUID, password: str) -> None:
        """Also ends every session of that principal."""
        decision = await self._require(caller, Action.MEMBER_CREATE)
        principal = await self._member(caller, Action.MEMBER_CREATE, decision, principal_id)
        if principal.kind is PrincipalKind.SERVICE:
            raise CallerError("Nobody signs in as a service, so it has no password.", hint="Make it an API key.")
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
        return await self._profiles.named(found)

    async def user(self, caller: Caller, login: str) -> Principal:
        """The member of the caller's tenant with that login; raises ``NotFound``, also for another tenant's."""
        decision = await self._require(caller, Action.MEMBER_CREATE)
        digest = await self._profiles.login_digest(login)
        async with self._database.reading() as unit:
            by_login = await unit.principals.by_login_digest(digest)
        found = [by_login[0]] if by_login and by_login[0].tenant_id == caller.tenant.id else []
        await self._listed(caller, Action.MEMBER_CREATE, decision, "users", len(found))
        if not found:
            raise NotFound(f"There is no user '{login[:64]}' in this tenant.", hint="Check the login and the tenant.")
        (named,) = await self._profiles.named(found)
        return named

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
        key = await self._labelled(
            principal,
            ApiKey(self._clock.new_id(), principal.tenant_id, principal.id, _display(label), prefix, grant, now, expires_at),
        )
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
        return await self._profiles.labelled(found)

    async def _labelled(self, principal: Principal, key: ApiKey) -> ApiKey:
        """With its label sealed; raises ``NotFound`` for an account that has no name any more, nor anything new."""
        if principal.profile is None:
            raise NotFound()
        labels = await self._profiles.seal_labels(key.tenant_id, {key.id: (principal.profile.data_key_id, key.label)})
        return replace(key, label_envelope=labels[key.id])

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
            return await group_ids(unit, tenant_id, slugs)

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


def _upwards(group: UUID, nests: Sequence[tuple[UUID, UUID]]) -> set[UUID]:
    """The group and every one that it is in."""
    found, new = {group}, {group}
    while new:
        new = {parent for inner, parent in nests if inner in new} - found
        found |= new
    return found


def _listed_regions(regions: frozenset[Region]) -> str:
    return " and ".join(f"'{each.name}'" for each in sorted(regions))


def _display(text: str) -> str:
    name = clean_text(text).strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise CallerError("That is not a valid name.", hint=f"Use 1 to {_LONGEST_NAME} printable characters.")
    return name


def _known_verbs(verbs: frozenset[str] | None) -> frozenset[str] | None:
    if verbs is not None and not verbs <= _VERBS:
        raise CallerError("A key's verbs must be action names.", hint="Use names like 'search:create'.")
    return verbs
