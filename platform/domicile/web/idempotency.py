"""``Idempotency-Key``: a write that is sent twice is done once and answered twice.

The digest of the request is keyed with the caller's own credential. A plain digest of an upload would let whoever steals the
database find out which known files were sent.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from domicile.domain.errors import AlreadyExists, CallerError, IdempotencyConflict
from domicile.ports.repositories import Database, IdempotentReply
from domicile.web.authentication import Visitor

_MAX_KEY_CHARS = 255


class IdempotentWrite:
    """One write under the key that its caller chose; without a key nothing is remembered."""

    def __init__(self, database: Database, visitor: Visitor, key: str | None, request: Iterable[bytes]) -> None:
        if key is not None and not (0 < len(key) <= _MAX_KEY_CHARS and key.isprintable()):
            raise CallerError("The Idempotency-Key is not valid.", hint="Use 1 to 255 printable characters, such as a UUID.")
        self._database = database
        self._principal_id = visitor.caller.principal.id
        self._key = key
        self._digest = _digest(visitor.credential, request) if key is not None else b""

    async def made_before(self) -> UUID | None:
        """The id of what the same request made; raises ``IdempotencyConflict`` if another request used the key."""
        if self._key is None:
            return None
        async with self._database.reading() as unit:
            reply = await unit.idempotency.get(self._principal_id, self._key)
        if reply is None:
            return None
        if not hmac.compare_digest(reply.request_digest, self._digest):
            raise IdempotencyConflict()
        return UUID(bytes=reply.body)

    async def made(self, id_: UUID, status: int) -> None:
        """Remember what this request made."""
        if self._key is None:
            return
        reply = IdempotentReply(self._digest, status, id_.bytes)
        try:
            async with self._database.writing() as unit:
                await unit.idempotency.add(self._principal_id, self._key, reply, datetime.now(UTC))
                await unit.commit()
        except AlreadyExists:
            # Sent twice at the same moment. Ingesting is idempotent itself: the second job finds everything unchanged.
            return


def _digest(credential: str, parts: Iterable[bytes]) -> bytes:
    digest = hmac.new(credential.encode(), digestmod=hashlib.sha256)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
