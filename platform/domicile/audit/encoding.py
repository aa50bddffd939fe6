"""The canonical bytes of an audit event: what is stored, later hashed and signed, and verified offline.

The encoding is JSON as RFC 8785 canonicalises it, so that a verifier in any language rebuilds the same bytes: one object,
every field present, names sorted, UTF-8 without needless escapes or blanks. Ids are canonical UUID text, the time is RFC 3339
in UTC with six digits of microseconds and ``Z``, ``detail`` is an array of ``[name, value]`` pairs in the event's order.
There are no floats, and integers stay within the range that every JSON reader holds exactly (RFC 8785, section 3.2.2.3).
``format`` counts the versions of this encoding.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import msgspec

from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import IntegrityError, InvalidText

FORMAT: Literal[1] = 1
#: The largest integer that a JSON reader working in IEEE 754 doubles holds exactly.
LARGEST_INTEGER = 2**53 - 1


class _Wire(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The object as it is written. Fields without a default have to be present when it is read, so every one has none."""

    access_region: str
    action: Action
    bundle_digest: str
    chunks: tuple[UUID, ...]
    credential_id: UUID | None
    detail: tuple[tuple[str, str | int], ...]
    documents: tuple[UUID, ...]
    format: Literal[1]
    id: UUID
    method: str
    model: str
    model_region: str
    outcome: Outcome
    policies: tuple[str, ...]
    principal_id: UUID | None
    reason: str
    request_id: str
    resource: str
    tenant_id: UUID | None
    time: str
    trace_id: str


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(_Wire)
_SAME_NAMES = tuple(name for name in _Wire.__struct_fields__ if name not in {"detail", "format", "time"})


def encode(event: AuditEvent) -> bytes:
    """The event's canonical bytes, equal for equal events.

    Raises ``InvalidText`` for lone surrogates, ``ValueError`` for a time without zone or a detail that is neither text nor an
    integer of at most 2^53 - 1.
    """
    wire = _Wire(
        format=FORMAT,
        time=timestamp(event.time),
        detail=tuple((name, _detail_value(value)) for name, value in event.detail),
        **{name: getattr(event, name) for name in _SAME_NAMES},
    )
    try:
        return _ENCODER.encode(wire)
    except UnicodeEncodeError:
        raise InvalidText() from None


def decode(body: bytes) -> AuditEvent:
    """The event of those bytes; raises ``IntegrityError`` for anything that ``encode`` would not have written."""
    try:
        wire = _DECODER.decode(body)
        event = AuditEvent(
            time=datetime.fromisoformat(wire.time),
            detail=wire.detail,
            **{name: getattr(wire, name) for name in _SAME_NAMES},
        )
        canonical = encode(event)
    except (msgspec.DecodeError, ValueError, InvalidText):
        raise IntegrityError("An audit entry cannot be read.") from None
    if canonical != body:
        raise IntegrityError("An audit entry is not in its canonical form.")
    return event


def timestamp(time: datetime) -> str:
    """RFC 3339 in UTC with six digits of microseconds, as in all that is signed; raises ``ValueError`` without a zone."""
    if time.tzinfo is None:
        raise ValueError("The time of an audit event needs a time zone.")
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _detail_value(value: object) -> str | int:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and abs(value) <= LARGEST_INTEGER:
        return int(value)
    raise ValueError("A detail of an audit event is text or an integer of at most 2^53 - 1.")
