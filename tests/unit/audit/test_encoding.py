"""The canonical bytes of an audit event."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.audit.encoding import LARGEST_INTEGER, decode, encode
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import IntegrityError, InvalidText

ID = UUID("01977e3a-0000-7000-8000-0123456789ab")
TIME = datetime(2025, 3, 14, 9, 26, 53, 7, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ids = st.uuids()
values = texts | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
events = st.builds(
    AuditEvent,
    id=ids,
    time=st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=-9, minutes=-30)))),
    tenant_id=st.none() | ids,
    principal_id=st.none() | ids,
    credential_id=st.none() | ids,
    method=texts,
    access_region=texts,
    action=st.sampled_from(Action),
    resource=texts,
    documents=st.lists(ids, max_size=3).map(tuple),
    chunks=st.lists(ids, max_size=3).map(tuple),
    outcome=st.sampled_from(Outcome),
    policies=st.lists(texts, max_size=3).map(tuple),
    bundle_digest=texts,
    model=texts,
    model_region=texts,
    reason=texts,
    request_id=texts,
    trace_id=texts,
    detail=st.lists(st.tuples(texts, values), max_size=3).map(tuple),
).filter(lambda event: datetime(1, 1, 3, tzinfo=UTC) < event.time < datetime(9999, 12, 29, tzinfo=UTC))


def bare(**changes: object) -> AuditEvent:
    fields: dict[str, object] = {
        "id": ID,
        "time": TIME,
        "tenant_id": ID,
        "principal_id": None,
        "credential_id": None,
        "method": "api-key",
        "access_region": "eu-de",
        "action": Action.DOCUMENT_READ,
        "resource": f"document:{ID}",
        "outcome": Outcome.DENIED,
    }
    return AuditEvent(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_bytes_are_these() -> None:
    """A fixed vector: changing one byte of it makes every signature over the log invalid."""
    event = bare(chunks=(ID,), policies=("p",), detail=(("hits", 2), ("collection", "größe")))
    assert encode(event).decode() == (
        '{"access_region":"eu-de","action":"document:read","bundle_digest":"",'
        '"chunks":["01977e3a-0000-7000-8000-0123456789ab"],"credential_id":null,'
        '"detail":[["hits",2],["collection","größe"]],"documents":[],"format":1,'
        '"id":"01977e3a-0000-7000-8000-0123456789ab","method":"api-key","model":"","model_region":"",'
        '"outcome":"denied","policies":["p"],"principal_id":null,"reason":"","request_id":"",'
        '"resource":"document:01977e3a-0000-7000-8000-0123456789ab",'
        '"tenant_id":"01977e3a-0000-7000-8000-0123456789ab","time":"2025-03-14T09:26:53.000007Z","trace_id":""}'
    )


@given(events)
def test_every_event_survives_the_round_trip(event: AuditEvent) -> None:
    """And has one encoding only."""
    body = encode(event)
    assert decode(body) == event
    assert encode(decode(body)) == body


@given(events)
def test_another_json_library_writes_the_same_bytes(event: AuditEvent) -> None:
    """A verifier in any language can rebuild them from what it has read."""
    body = encode(event)
    rebuilt = json.dumps(json.loads(body), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert rebuilt.encode() == body


@given(events, st.data())
def test_a_flipped_bit_is_noticed_or_is_another_event(event: AuditEvent, data: st.DataObject) -> None:
    """No two byte strings decode to the same event."""
    body = bytearray(encode(event))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        changed = decode(bytes(body))
    except IntegrityError:
        return
    assert changed != event


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body + b" ",
        lambda body: body.replace(b'"format":1', b'"format":2'),
        lambda body: body.replace(b'"format":1,', b""),
        lambda body: body.replace(b'"format":1', b'"format":1,"further":1'),
        lambda body: body.replace(b"2025-03-14T09:26:53.000007Z", b"2025-03-14T10:26:53.000007+01:00"),
        lambda body: body.replace(b"2025-03-14T09:26:53.000007Z", b"2025-03-14T09:26:53.000007"),
        lambda body: body.replace(b"01977e3a-", b"01977E3A-"),
        lambda body: body.replace(b"document:read", b"document:burn"),
        lambda body: body.replace(b'"eu-de"', b'"\\u0065u-de"'),
        lambda body: body[:-1],
        lambda _: b"",
        lambda _: b"\xff",
    ],
)
def test_anything_that_encode_does_not_write_is_refused(change) -> None:
    """With one opaque error, whatever is wrong with it."""
    body = encode(bare())
    assert change(body) != body
    with pytest.raises(IntegrityError):
        decode(change(body))


def test_equal_instants_have_equal_bytes() -> None:
    """Whatever zone they are given in."""
    local = TIME.astimezone(timezone(timedelta(hours=2)))
    assert encode(bare(time=local)) == encode(bare())


@pytest.mark.parametrize(
    "changes",
    [
        {"time": TIME.replace(tzinfo=None)},
        {"detail": (("score", 0.5),)},
        {"detail": (("count", LARGEST_INTEGER + 1),)},
        {"detail": (("nothing", None),)},
    ],
)
def test_what_has_no_canonical_form_is_not_encoded(changes: dict[str, object]) -> None:
    """A time without zone, a float, an integer that some readers would round, and None."""
    with pytest.raises(ValueError, match="audit event"):
        encode(bare(**changes))


def test_a_lone_surrogate_is_invalid_text() -> None:
    """UTF-8 has no bytes for it."""
    with pytest.raises(InvalidText):
        encode(bare(resource="document:\ud800"))
