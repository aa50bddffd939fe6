"""Authentication: API keys, sign-in on the pages, and the sessions that follow.

Obligations, labelled where they are met:

1. Every failure is audited before it is told, and every failure is told alike. The one exception is a credential that was
   valid and has expired: whoever holds it may know.
2. A sign-in costs the same time whether the account exists or not, and is throttled alike.
3. Of a credential only its hash is stored.
4. An expired credential stops working at once, a revoked one or a disabled account within ``trusted.SECONDS_TRUSTED``, and a
   session that is signed out at once in the process that was told.

The caller owes: the cross-site check of ``Session.csrf_token`` on every write that a session makes, and an ``Origin`` whose
address no client can choose.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from domicile.access.credentials import LONGEST_PASSWORD, login_name, looks_like_api_key, new_token, session_id, stored_hash
from domicile.access.gate import Gate
from domicile.access.profiles import Profiles
from domicile.access.refusals import Origin, Refusal, RefusalLedger
from domicile.access.throttle import Throttle
from domicile.access.trusted import Known, TrustedCredentials
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError, CredentialExpired, DependencyError, NotAuthenticated, NotFound, TooManyAttempts
from domicile.domain.principals import ApiKey, AuthenticationMethod, Caller, Grant, Principal, Session, Strength, Tenant
from domicile.policy.request import OwnedResource
from domicile.ports.clock import Clock
from domicile.ports.identity import PasswordHasher
from domicile.ports.repositories import Database, UnitOfWork

__all__ = ["Identity", "Origin", "SignedIn"]

_FLUSH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SignedIn:
    """``token`` is for the cookie and is stored nowhere; ``csrf_token`` is for the pages' forms."""

    token: str
    csrf_token: str
    caller: Caller
    expires_at: datetime


class Identity:
    """Who is calling. Shared by every request of a process."""

    def __init__(
        self,
        *,
        database: Database,
        hasher: PasswordHasher,
        gate: Gate,
        clock: Clock,
        profiles: Profiles,
        session_lifetime: timedelta = timedelta(hours=12),
    ) -> None:
        self._database = database
        self._hasher = hasher
        self._gate = gate
        self._clock = clock
        self._profiles = profiles
        self._session_lifetime = session_lifetime
        self._throttle = Throttle(clock)
        self._refusals = RefusalLedger(gate, clock)
        self._trusted = TrustedCredentials(clock)
        self._last_used: dict[UUID, datetime] = {}

    async def authenticate_key(self, secret: str, origin: Origin) -> Caller:
        """Whom the API key belongs to. Raises ``NotAuthenticated`` or ``CredentialExpired``."""
        method = AuthenticationMethod.API_KEY
        if not looks_like_api_key(secret):
            raise await self._refused(Refusal(method, "malformed"), origin)
        token_hash = stored_hash(secret)
        known = self._trusted.recall(token_hash) or await self._known_key(token_hash, origin)
        await self._refuse_expired(known, token_hash, method, origin)
        if known.caller.credential_id:
            self._last_used[known.caller.credential_id] = self._clock.now()
        return self._from_origin(known.caller, origin)

    async def sign_in(self, login: str, password: str, origin: Origin) -> SignedIn:
        """A new session. Raises ``NotAuthenticated`` or ``TooManyAttempts``, or ``Forbidden`` if policy refuses the session."""
        name = _login_or_none(login)
        try:
            with self._throttle.attempt(name or login, origin.address) as attempt:
                principal, attempt.succeeded = await self._check_password(name, password)
        except TooManyAttempts:
            await self._refusals.record(Refusal(AuthenticationMethod.SESSION, "throttled"), origin)  # (1)
            raise
        if principal is None:
            raise await self._refused(Refusal(AuthenticationMethod.SESSION, "unknown-login"), origin)
        if not attempt.succeeded:
            reason = "disabled" if principal.disabled else "wrong-password"
            refusal = Refusal(AuthenticationMethod.SESSION, reason, f"principal:{principal.id}", principal.tenant_id)
            raise await self._refused(refusal, origin)
        return await self._open_session(principal, origin)

    async def authenticate_session(self, token: str, origin: Origin) -> tuple[Caller, Session]:
        """Whom the session belongs to. Raises ``NotAuthenticated`` or ``CredentialExpired``."""
        token_hash = stored_hash(token)
        known = self._trusted.recall(token_hash) or await self._known_session(token_hash, origin)
        await self._refuse_expired(known, token_hash, AuthenticationMethod.SESSION, origin)
        if known.session is None:
            raise await self._refused(Refusal(AuthenticationMethod.SESSION, "unknown-session"), origin)
        return self._from_origin(known.caller, origin), known.session

    async def describe(self, caller: Caller) -> Caller:
        """The caller by name, once it is decided and recorded. Raises ``Forbidden`` or ``AuditUnavailable``."""
        resource = OwnedResource("session", caller.credential_id or caller.principal.id, caller.tenant.id, caller.principal.id)
        decision = await self._gate.require(caller, Action.SESSION_READ, resource)
        await self._gate.record(caller, Action.SESSION_READ, resource, Outcome.PERMITTED, decision)
        return await self._named(caller)

    async def sign_out(self, caller: Caller, token: str) -> None:
        """End the caller's own session; one that is over already is no error."""
        token_hash = stored_hash(token)
        async with self._database.reading() as unit:
            session = await unit.credentials.session(token_hash)
            found = await _owner(unit, session.principal_id) if session else None
        if found is None:
            return
        owner, tenant = found
        resource = OwnedResource("session", session_id(token_hash), tenant.id, owner.id)
        decision = await self._gate.require(caller, Action.SESSION_DELETE, resource)
        event = self._gate.event(
            caller,
            Action.SESSION_DELETE,
            resource,
            Outcome.PERMITTED,
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
        )
        async with self._database.writing() as unit:
            await unit.credentials.delete_session(token_hash)
            await unit.audit.append(event)
            await unit.commit()
        self._trusted.drop(token_hash)  # (4)

    async def flush(self) -> None:
        """Write down when keys were last used, and how many refusals were only counted. What fails is kept for next time."""
        await self._refusals.flush()
        used, self._last_used = self._last_used, {}
        if not used:
            return
        with ExitStack() as undo:
            undo.callback(self._keep_last_used, used)
            async with self._database.writing() as unit:
                await unit.credentials.touch_api_keys(used)
                await unit.commit()
            undo.pop_all()

    def _keep_last_used(self, used: dict[UUID, datetime]) -> None:
        self._last_used = used | self._last_used

    async def keep_flushed(self) -> None:
        """Flush every half minute until cancelled: the task that goes with this object. Call ``flush`` once more at the end."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                await self.flush()
            except DependencyError:
                continue  # kept, and tried again at the next turn

    def _from_origin(self, caller: Caller, origin: Origin) -> Caller:
        return replace(
            caller,
            access_region=origin.access_region,
            request_id=origin.request_id,
            trace_id=origin.trace_id,
            purpose=origin.purpose,
            at=self._clock.now(),
        )

    # --- API keys and sessions -------------------------------------------------------------------------------------------
    async def _known_key(self, token_hash: bytes, origin: Origin) -> Known:
        async with self._database.reading() as unit:
            key = await unit.credentials.api_key(token_hash)
            found = await _owner(unit, key.principal_id) if key else None
        if key is None:
            raise await self._refused(Refusal(AuthenticationMethod.API_KEY, "unknown-key"), origin)
        if found is None or found[1].id != key.tenant_id:
            raise await self._refused(_about_key(key, "orphaned"), origin)
        principal, tenant = found
        if key.revoked_at is not None or principal.disabled:
            raise await self._refused(_about_key(key, "disabled" if principal.disabled else "revoked"), origin)
        caller = Caller(principal, tenant, AuthenticationMethod.API_KEY, key.grant, key.id, strength=Strength.SINGLE)
        return self._trusted.trust(token_hash, Known(caller, key.expires_at))

    async def _known_session(self, token_hash: bytes, origin: Origin) -> Known:
        async with self._database.reading() as unit:
            session = await unit.credentials.session(token_hash)
            found = await _owner(unit, session.principal_id) if session else None
        if session is None or found is None or found[0].disabled:
            raise await self._refused(Refusal(AuthenticationMethod.SESSION, "unknown-session"), origin)
        caller = Caller(*found, AuthenticationMethod.SESSION, Grant(), session_id(token_hash), strength=Strength.SINGLE)
        # The pages show the name of whoever is signed in; of a program's name nobody asks but ``describe``.
        return self._trusted.trust(token_hash, Known(await self._named(caller), session.expires_at, session))

    async def _named(self, caller: Caller) -> Caller:
        (principal,) = await self._profiles.named([caller.principal])
        return replace(caller, principal=principal)

    async def _refuse_expired(self, known: Known, token_hash: bytes, method: AuthenticationMethod, origin: Origin) -> None:
        """Looked at on every request, also of a credential that is still trusted."""
        if known.expires_at is None or self._clock.now() < known.expires_at:
            return
        self._trusted.drop(token_hash)
        caller = known.caller
        resource = f"{'apikey' if method is AuthenticationMethod.API_KEY else 'session'}:{caller.credential_id}"
        await self._refusals.record(Refusal(method, "expired", resource, caller.tenant.id, caller.credential_id), origin)  # (1)
        raise CredentialExpired()

    # --- Sign-in ---------------------------------------------------------------------------------------------------------
    async def _check_password(self, login: str | None, password: str) -> tuple[Principal | None, bool]:
        """Who has that login, and whether they may come in. One look at the database and one password check, always (2)."""
        digest = await self._profiles.login_digest(login or "")
        async with self._database.reading() as unit:
            found = await unit.principals.by_login_digest(digest)
        principal, password_hash = found or (None, None)
        matches = await self._hasher.verify(password_hash, password[:LONGEST_PASSWORD])
        whole = len(password) <= LONGEST_PASSWORD
        return principal, matches and whole and principal is not None and not principal.disabled

    async def _open_session(self, principal: Principal, origin: Origin) -> SignedIn:
        async with self._database.reading() as unit:
            tenant = await unit.tenants.get(principal.tenant_id)
        (principal,) = await self._profiles.named([principal])
        token, now = new_token(), self._clock.now()
        token_hash = stored_hash(token)  # (3)
        session = Session(token_hash, principal.id, new_token(), now, now + self._session_lifetime)
        known = Caller(
            principal, tenant, AuthenticationMethod.SESSION, Grant(), session_id(token_hash), strength=Strength.SINGLE
        )
        caller = self._from_origin(known, origin)
        resource = OwnedResource("session", session_id(token_hash), tenant.id, principal.id)
        decision = await self._gate.require(caller, Action.SESSION_CREATE, resource)
        event = self._gate.event(
            caller,
            Action.SESSION_CREATE,
            resource,
            Outcome.PERMITTED,
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
        )
        async with self._database.writing() as unit:
            await unit.credentials.add_session(session)
            await unit.audit.append(event)
            await unit.commit()
        return SignedIn(token, session.csrf_token, caller, session.expires_at)

    async def _refused(self, refusal: Refusal, origin: Origin) -> NotAuthenticated:
        """The error to raise, once the refusal is durable (1)."""
        await self._refusals.record(refusal, origin)
        return NotAuthenticated()


async def _owner(unit: UnitOfWork, principal_id: UUID) -> tuple[Principal, Tenant] | None:
    try:
        principal = await unit.principals.get(principal_id)
        return principal, await unit.tenants.get(principal.tenant_id)
    except NotFound:
        return None


def _about_key(key: ApiKey, reason: str) -> Refusal:
    return Refusal(AuthenticationMethod.API_KEY, reason, f"apikey:{key.id}", key.tenant_id, key.id)


def _login_or_none(text: str) -> str | None:
    try:
        return login_name(text)
    except CallerError:
        return None
