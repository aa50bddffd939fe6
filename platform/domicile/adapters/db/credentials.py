"""API keys and browser sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, func, insert, or_, select, update

from domicile.adapters.db.columns import UtcDateTime
from domicile.adapters.db.schema import api_keys, sessions
from domicile.adapters.db.transaction import Transaction
from domicile.domain.errors import NotFound
from domicile.domain.principals import ApiKey, Grant, Session

_AT = bindparam("at", type_=UtcDateTime)
_ADD_KEY = insert(api_keys)
_KEY_BY_HASH = select(api_keys).where(api_keys.c.secret_hash == bindparam("secret_hash"))
_KEYS_OF_TENANT = select(api_keys).where(api_keys.c.tenant_id == bindparam("tenant_id")).order_by(api_keys.c.id)
_REVOKE = (
    update(api_keys)
    .where(api_keys.c.tenant_id == bindparam("of_tenant"), api_keys.c.id == bindparam("key_id"))
    # The first revocation stands.
    .values(revoked_at=func.coalesce(api_keys.c.revoked_at, _AT))
)
_TOUCH = (
    update(api_keys)
    .where(
        api_keys.c.id == bindparam("key_id"),
        # Written behind, by several processes perhaps: an older report does not replace a newer one.
        or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < _AT),
    )
    .values(last_used_at=_AT)
)
_ADD_SESSION = insert(sessions)
_SESSION_BY_HASH = select(sessions).where(sessions.c.token_hash == bindparam("token_hash"))
_DELETE_SESSION = delete(sessions).where(sessions.c.token_hash == bindparam("token_hash"))
_DELETE_EXPIRED = delete(sessions).where(sessions.c.principal_id == bindparam("of_principal"), sessions.c.expires_at <= _AT)


class SqlCredentials:
    """Implements ``CredentialRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add_api_key(self, key: ApiKey, secret_hash: bytes) -> None:
        collections = key.grant.collections
        await self._transaction.run(
            _ADD_KEY,
            {
                "id": key.id,
                "tenant_id": key.tenant_id,
                "principal_id": key.principal_id,
                "label_envelope": key.label_envelope,
                "prefix": key.prefix,
                "secret_hash": secret_hash,
                "verbs": None if key.grant.verbs is None else sorted(key.grant.verbs),
                "collections": None if collections is None else sorted(map(str, collections)),
                "created_at": key.created_at,
                "expires_at": key.expires_at,
                "revoked_at": key.revoked_at,
                "last_used_at": key.last_used_at,
            },
        )

    async def api_key(self, secret_hash: bytes) -> ApiKey | None:
        row = await self._transaction.first(_KEY_BY_HASH, {"secret_hash": secret_hash})
        return None if row is None else _api_key(row)

    async def api_keys(self, tenant_id: UUID) -> Sequence[ApiKey]:
        return [_api_key(row) for row in await self._transaction.all(_KEYS_OF_TENANT, {"tenant_id": tenant_id})]

    async def revoke_api_key(self, tenant_id: UUID, key_id: UUID, at: datetime) -> None:
        if not await self._transaction.run(_REVOKE, {"of_tenant": tenant_id, "key_id": key_id, "at": at}):
            raise NotFound()

    async def touch_api_keys(self, last_used: dict[UUID, datetime]) -> None:
        if last_used:
            # In the order of the ids, so that two processes that touch the same keys do not block one another.
            await self._transaction.run(_TOUCH, [{"key_id": key, "at": last_used[key]} for key in sorted(last_used)])

    async def add_session(self, session: Session) -> None:
        """Also forgets the principal's sessions that have expired, so that they do not pile up."""
        of_principal = {"of_principal": session.principal_id, "at": session.created_at}
        await self._transaction.run(_DELETE_EXPIRED, of_principal)
        await self._transaction.run(
            _ADD_SESSION,
            {
                "token_hash": session.token_hash,
                "principal_id": session.principal_id,
                "csrf_token": session.csrf_token,
                "created_at": session.created_at,
                "expires_at": session.expires_at,
            },
        )

    async def session(self, token_hash: bytes) -> Session | None:
        row = await self._transaction.first(_SESSION_BY_HASH, {"token_hash": token_hash})
        if row is None:
            return None
        return Session(row.token_hash, row.principal_id, row.csrf_token, row.created_at, row.expires_at)

    async def delete_session(self, token_hash: bytes) -> None:
        await self._transaction.run(_DELETE_SESSION, {"token_hash": token_hash})


def _api_key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        tenant_id=row.tenant_id,
        principal_id=row.principal_id,
        label="",
        prefix=row.prefix,
        # NULL narrows nothing, an empty list permits nothing: the two must not be confused.
        grant=Grant(
            verbs=None if row.verbs is None else frozenset(row.verbs),
            collections=None if row.collections is None else frozenset(map(UUID, row.collections)),
        ),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        label_envelope=row.label_envelope,
    )
