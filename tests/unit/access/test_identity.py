"""Authentication: who gets in, who does not, and what is on record about it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.fakes.people import unnamed

from domicile.access import identity as module
from domicile.access.identity import Origin
from domicile.access.trusted import SECONDS_TRUSTED
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import (
    AuditUnavailable,
    CredentialExpired,
    DatabaseUnavailable,
    NotAuthenticated,
    NotFound,
    TooManyAttempts,
)
from domicile.domain.principals import AuthenticationMethod

PASSWORD = "correct horse battery"
HERE = Origin("request-1", "trace-1", "eu-fr", "192.0.2.7")
UNKNOWN_KEY = "dom_abcdefgh_" + "A" * 43


# --- API keys ---------------------------------------------------------------------------------------------------------
async def test_a_key_names_its_principal(cell: Any) -> None:
    """The caller of a valid key is its principal in its tenant, with the key's grant and the request's origin."""
    tenant = await cell.tenant()
    mia = await cell.person(tenant)
    caller = await cell.identity.authenticate_key(await cell.key(mia, tenant, verbs=frozenset({"search:create"})), HERE)
    assert (caller.principal, caller.tenant, caller.method) == (unnamed(mia), tenant, AuthenticationMethod.API_KEY)
    assert (caller.grant.verbs, caller.grant.collections) == ({"search:create"}, None)
    assert (caller.request_id, caller.trace_id, caller.access_region) == ("request-1", "trace-1", "eu-fr")
    assert caller.credential_id in {key.id for key in cell.database.rows.api_keys.values()}


async def test_the_secret_is_stored_nowhere(cell: Any) -> None:
    """Neither the database nor the audit log holds an API key, a session token or a password."""
    tenant = await cell.tenant()
    mia = await cell.person(tenant)
    secret = await cell.key(mia, tenant)
    signed_in = await cell.identity.sign_in("mia", PASSWORD, HERE)
    stored = repr(cell.database.rows) + repr(cell.log.events)
    for hidden in (secret, secret[-43:], signed_in.token, PASSWORD):
        assert hidden not in stored


@pytest.mark.parametrize(
    "secret", ["", "dom_", UNKNOWN_KEY, "Bearer x", "dom_ABCDEFGH_" + "A" * 43, "\x00", "\ud800", "x" * 10_000]
)
async def test_a_wrong_key_is_refused_and_recorded(cell: Any, secret: str) -> None:
    """What is no key of this cell is refused without saying why, after an event that names nobody."""
    with pytest.raises(NotAuthenticated) as caught:
        await cell.identity.authenticate_key(secret, HERE)
    assert type(caught.value) is NotAuthenticated
    assert str(caught.value) == NotAuthenticated.title
    [event] = cell.log.events
    assert (event.outcome, event.action, event.method) == (Outcome.DENIED, Action.SESSION_CREATE, "api-key")
    assert (event.principal_id, event.tenant_id, event.credential_id) == (None, None, None)
    assert (event.request_id, event.trace_id, event.access_region) == ("request-1", "trace-1", "eu-fr")


async def test_a_refusal_that_cannot_be_recorded_is_not_told(cell: Any) -> None:
    """With the audit log down even a refusal fails as that, whether the credential was good or bad."""
    cell.log.broken = True
    with pytest.raises(AuditUnavailable):
        await cell.identity.authenticate_key(UNKNOWN_KEY, HERE)
    with pytest.raises(AuditUnavailable):
        await cell.identity.sign_in("nobody", PASSWORD, HERE)
    with pytest.raises(AuditUnavailable):
        await cell.identity.authenticate_session("no session", HERE)


async def test_a_revoked_key_stops_within_two_seconds(cell: Any) -> None:
    """A key that was just used is trusted for two seconds at most after it was revoked; the refusal names the key."""
    tenant = await cell.tenant()
    secret = await cell.key(await cell.person(tenant), tenant)
    caller = await cell.identity.authenticate_key(secret, HERE)
    await cell.administration.revoke_api_key(cell.administration.operator_caller(tenant), caller.credential_id)
    cell.wait(SECONDS_TRUSTED)
    with pytest.raises(NotAuthenticated) as caught:
        await cell.identity.authenticate_key(secret, HERE)
    assert type(caught.value) is NotAuthenticated
    [event] = cell.refusals()
    assert (event.reason, event.credential_id, event.tenant_id) == ("revoked", caller.credential_id, tenant.id)
    assert event.principal_id is None
    assert SECONDS_TRUSTED <= 2


async def test_an_expired_key_stops_at_once(cell: Any) -> None:
    """Expiry is looked at on every request, so that being trusted does not lengthen a key's life by a moment."""
    tenant = await cell.tenant()
    expiry = cell.clock.now() + timedelta(seconds=10)
    secret = await cell.key(await cell.person(tenant), tenant, expires_at=expiry)
    cell.wait(9.5)
    await cell.identity.authenticate_key(secret, HERE)
    cell.wait(0.5)
    for _ in range(2):
        with pytest.raises(CredentialExpired):
            await cell.identity.authenticate_key(secret, HERE)
    assert [event.reason for event in cell.refusals()] == ["expired", "expired"]


async def test_a_disabled_persons_credentials_stop(cell: Any) -> None:
    """Disabling an account ends its keys, its sessions and its sign-in."""
    tenant = await cell.tenant()
    mia = await cell.person(tenant)
    secret = await cell.key(mia, tenant)
    session = await cell.identity.sign_in("mia", PASSWORD, HERE)
    _, password_hash = cell.database.rows.principals[mia.id]
    cell.database.rows.principals[mia.id] = (replace(mia, disabled=True), password_hash)
    for attempt in (
        cell.identity.authenticate_key(secret, HERE),
        cell.identity.authenticate_session(session.token, HERE),
        cell.identity.sign_in("mia", PASSWORD, HERE),
    ):
        with pytest.raises(NotAuthenticated):
            await attempt
    assert [event.reason for event in cell.refusals()] == ["disabled", "unknown-session", "disabled"]


async def test_a_key_whose_owner_is_elsewhere_is_refused(cell: Any) -> None:
    """A key row that was pointed at another tenant's principal, or at nobody, opens nothing."""
    acme, rival = await cell.tenant("acme"), await cell.tenant("rival")
    secret = await cell.key(await cell.person(acme, "mia"), acme)
    boss = await cell.person(rival, "boss")
    [(token_hash, key)] = cell.database.rows.api_keys.items()
    for owner in (boss.id, UUID(int=404)):
        cell.database.rows.api_keys[token_hash] = replace(key, principal_id=owner)
        with pytest.raises(NotAuthenticated):
            await cell.identity.authenticate_key(secret, HERE)
    assert [event.reason for event in cell.refusals()] == ["orphaned", "orphaned"]


async def test_a_key_in_use_is_not_looked_up_each_time(cell: Any) -> None:
    """A busy key costs one read of the database in two seconds."""
    tenant = await cell.tenant()
    secret = await cell.key(await cell.person(tenant), tenant)
    before = cell.database.reads
    for _ in range(100):
        await cell.identity.authenticate_key(secret, HERE)
    assert cell.database.reads == before + 1
    cell.wait(SECONDS_TRUSTED)
    await cell.identity.authenticate_key(secret, HERE)
    assert cell.database.reads == before + 2


async def test_the_origin_is_the_requests_own(cell: Any) -> None:
    """What is remembered of a credential does not carry one request's id or region into the next."""
    tenant = await cell.tenant()
    secret = await cell.key(await cell.person(tenant), tenant)
    await cell.identity.authenticate_key(secret, HERE)
    caller = await cell.identity.authenticate_key(secret, Origin("request-2", "trace-2"))
    assert (caller.request_id, caller.trace_id, caller.access_region) == ("request-2", "trace-2", "unknown")


async def test_last_use_is_written_behind(cell: Any) -> None:
    """Using a key writes nothing until the flush, which records the latest use, once."""
    tenant = await cell.tenant()
    secret = await cell.key(await cell.person(tenant), tenant)
    for _ in range(3):
        cell.wait(1)
        await cell.identity.authenticate_key(secret, HERE)
    [key] = cell.database.rows.api_keys.values()
    assert key.last_used_at is None
    await cell.identity.flush()
    [key] = cell.database.rows.api_keys.values()
    assert key.last_used_at == cell.clock.now()
    rows = cell.database.rows
    await cell.identity.flush()
    assert cell.database.rows is rows, "nothing to write"


async def test_last_use_survives_a_failing_flush(cell: Any) -> None:
    """What could not be written is kept for the next flush, and a later use wins over it."""
    tenant = await cell.tenant()
    mia = await cell.person(tenant)
    early, late = await cell.key(mia, tenant), await cell.key(mia, tenant)
    used_early = cell.clock.now()
    for secret in (early, late):
        await cell.identity.authenticate_key(secret, HERE)
    cell.database.broken = True
    with pytest.raises(DatabaseUnavailable):
        await cell.identity.flush()
    cell.database.broken = False
    cell.wait(1)
    await cell.identity.authenticate_key(late, HERE)
    await cell.identity.flush()
    assert [key.last_used_at for key in cell.database.rows.api_keys.values()] == [used_early, cell.clock.now()]


async def test_the_flushing_task_outlives_an_outage(cell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task goes on after a flush that failed, and ends when it is cancelled."""
    tenant = await cell.tenant()
    await cell.identity.authenticate_key(await cell.key(await cell.person(tenant), tenant), HERE)
    monkeypatch.setattr(module, "_FLUSH_SECONDS", 0.0)
    cell.database.broken = True
    task = asyncio.create_task(cell.identity.keep_flushed())
    for _ in range(20):
        await asyncio.sleep(0)
    cell.database.broken = False
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    [key] = cell.database.rows.api_keys.values()
    assert key.last_used_at is not None


# --- Sign-in ----------------------------------------------------------------------------------------------------------
async def test_signing_in_opens_a_session(cell: Any) -> None:
    """A right password gives a token that authenticates, a token for forms, and one event beside the stored session."""
    tenant = await cell.tenant()
    mia = await cell.person(tenant)
    signed_in = await cell.identity.sign_in("  MIA ", PASSWORD, HERE)
    caller, session = await cell.identity.authenticate_session(signed_in.token, HERE)
    assert caller == signed_in.caller
    assert (caller.principal, caller.tenant, caller.method) == (mia, tenant, AuthenticationMethod.SESSION)
    assert session.csrf_token == signed_in.csrf_token != signed_in.token
    assert session.expires_at == signed_in.expires_at == cell.clock.now() + timedelta(hours=12)
    event = cell.database.rows.events[-1]
    assert (event.action, event.outcome, event.principal_id) == (Action.SESSION_CREATE, Outcome.PERMITTED, mia.id)
    assert event.resource == f"session:{caller.credential_id}"
    assert event.policies
    assert event.bundle_digest


async def test_no_session_without_its_event(cell: Any) -> None:
    """If the event cannot be written there is no session either."""
    await cell.person(await cell.tenant())
    cell.database.audit_broken = True
    with pytest.raises(AuditUnavailable):
        await cell.identity.sign_in("mia", PASSWORD, HERE)
    assert not cell.database.rows.sessions


@pytest.mark.parametrize(
    ("login", "password", "reason"),
    [
        ("mia", "correct horse batterz", "wrong-password"),
        ("mia", "", "wrong-password"),
        ("mia", PASSWORD + "x" * 2000, "wrong-password"),
        ("keys-only", PASSWORD, "wrong-password"),
        ("nobody", PASSWORD, "unknown-login"),
        ("", PASSWORD, "unknown-login"),
        ("m\x00ia", PASSWORD, "unknown-login"),
        ("\ud800", "\ud800", "unknown-login"),
        ("x" * 100_000, PASSWORD, "unknown-login"),
    ],
)
async def test_every_failed_sign_in_looks_alike(cell: Any, login: str, password: str, reason: str) -> None:
    """Unknown login, wrong password and an account without one are the same error after one password check each.

    They cost the same look at the database, too, and nobody's name is opened for any. Only the audit log knows which it was.
    """
    tenant = await cell.tenant()
    await cell.person(tenant)
    keys_only = await cell.person(tenant, "keys-only")
    cell.database.rows.principals[keys_only.id] = (keys_only, None)
    reads, opened = cell.database.reads, cell.keys.reads
    with pytest.raises(NotAuthenticated) as caught:
        await cell.identity.sign_in(login, password, HERE)
    assert (cell.database.reads, cell.keys.reads) == (reads + 1, opened)
    assert type(caught.value) is NotAuthenticated
    assert (str(caught.value), caught.value.members) == (NotAuthenticated.title, {})
    assert len(cell.hasher.checked) == 1
    [event] = cell.refusals()
    assert (event.reason, event.method, event.principal_id) == (reason, "session", None)
    assert not cell.database.rows.sessions


async def test_a_guesser_is_slowed_down(cell: Any) -> None:
    """After five wrong passwords even the right one has to wait, and afterwards gets in; refusals are on record."""
    await cell.person(await cell.tenant())
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            await cell.identity.sign_in("mia", "wrong wrong wrong", HERE)
    checks = len(cell.hasher.checked)
    with pytest.raises(TooManyAttempts) as caught:
        await cell.identity.sign_in("Mia", PASSWORD, Origin("request-2", "trace-2", address="198.51.100.1"))
    assert caught.value.members == {"retry_after": 1}
    assert len(cell.hasher.checked) == checks, "no password was looked at"
    assert cell.refusals()[-1].reason == "throttled"
    cell.wait(1)
    await cell.identity.sign_in("mia", PASSWORD, HERE)


async def test_an_absent_account_is_throttled_like_a_present_one(cell: Any) -> None:
    """The same attempts against an account that exists and one that does not meet the same answers in the same order."""
    await cell.person(await cell.tenant())

    async def answers(login: str) -> list[tuple[type, str, object]]:
        seen = []
        for n in range(12):
            with pytest.raises((NotAuthenticated, TooManyAttempts)) as caught:
                await cell.identity.sign_in(login, "wrong wrong wrong", replace(HERE, address=f"192.0.2.{n}"))
            seen.append((type(caught.value), str(caught.value), dict(caught.value.members)))
            if n > 8:
                cell.wait(1)
        return seen

    known = await answers("mia")
    cell.identity = cell.another_process()
    assert known == await answers("nobody")


async def test_a_flood_of_refusals_is_counted_not_listed(cell: Any) -> None:
    """Ten a minute from one address are events; the rest is a number in the log after the flush, and none is lost."""
    for _ in range(1000):
        with pytest.raises(NotAuthenticated):
            await cell.identity.authenticate_key(UNKNOWN_KEY, HERE)
    assert len(cell.log.events) == 10
    await cell.identity.flush()
    assert len(cell.log.events) == 11
    assert cell.log.events[-1].detail == (("attempts", 990),)
    assert cell.log.events[-1].reason == "unknown-key"


# --- Sessions ---------------------------------------------------------------------------------------------------------
async def test_signing_out_ends_the_session_at_once(cell: Any) -> None:
    """The token is refused right after, although it was trusted a moment ago; signing out again is no error."""
    await cell.person(await cell.tenant())
    signed_in = await cell.identity.sign_in("mia", PASSWORD, HERE)
    caller, _ = await cell.identity.authenticate_session(signed_in.token, HERE)
    await cell.identity.sign_out(caller, signed_in.token)
    with pytest.raises(NotAuthenticated):
        await cell.identity.authenticate_session(signed_in.token, HERE)
    assert cell.database.rows.events[-1].action is Action.SESSION_DELETE
    await cell.identity.sign_out(caller, signed_in.token)


async def test_nobody_ends_another_persons_session(cell: Any) -> None:
    """With another tenant's token in hand, signing out finds nothing and the session lives on."""
    await cell.person(await cell.tenant("acme"), "mia")
    await cell.person(await cell.tenant("rival"), "eve")
    mias = await cell.identity.sign_in("mia", PASSWORD, HERE)
    eve = await cell.signed_in("eve")
    with pytest.raises(NotFound):
        await cell.identity.sign_out(eve, mias.token)
    await cell.identity.authenticate_session(mias.token, HERE)
    assert cell.refusals()[-1].principal_id == eve.principal.id


async def test_a_session_expires(cell: Any) -> None:
    """After its time a session is over, for whoever still holds the token too."""
    await cell.person(await cell.tenant())
    signed_in = await cell.identity.sign_in("mia", PASSWORD, HERE)
    cell.wait(12 * 3600 - 1)
    await cell.identity.authenticate_session(signed_in.token, HERE)
    cell.wait(1)
    with pytest.raises(CredentialExpired):
        await cell.identity.authenticate_session(signed_in.token, HERE)


async def test_a_new_password_ends_all_sessions(cell: Any) -> None:
    """Whoever stole a session loses it within two seconds of the password being changed."""
    tenant = await cell.tenant()
    mia = await cell.person(tenant)
    signed_in = await cell.identity.sign_in("mia", PASSWORD, HERE)
    await cell.identity.authenticate_session(signed_in.token, HERE)
    operator = cell.administration.operator_caller(tenant)
    await cell.administration.set_password(operator, mia.id, "another horse battery")
    cell.wait(SECONDS_TRUSTED)
    with pytest.raises(NotAuthenticated):
        await cell.identity.authenticate_session(signed_in.token, HERE)


async def test_a_key_is_no_session_and_a_session_no_key(cell: Any) -> None:
    """Neither credential works in the other's place, also when it was just used in its own."""
    tenant = await cell.tenant()
    secret = await cell.key(await cell.person(tenant), tenant)
    signed_in = await cell.identity.sign_in("mia", PASSWORD, HERE)
    await cell.identity.authenticate_key(secret, HERE)
    await cell.identity.authenticate_session(signed_in.token, HERE)
    with pytest.raises(NotAuthenticated):
        await cell.identity.authenticate_session(secret, HERE)
    with pytest.raises(NotAuthenticated):
        await cell.identity.authenticate_key(signed_in.token, HERE)
