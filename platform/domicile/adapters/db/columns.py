"""Column types, and how constraints are named: the same in both databases, the cell's and the key store's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, TypeDecorator, Uuid

#: A set of ids or names, or nothing at all (SQL's NULL, not JSON's).
SET = JSON(none_as_null=True)
#: On SQLite only INTEGER, not BIGINT, makes the primary key the row's own number.
POSITION = BigInteger().with_variant(Integer(), "sqlite")

#: The same ids come again and again, and parsing one takes longer than reading it.
_id = lru_cache(maxsize=65_536)(UUID)


class Id(Uuid[UUID]):
    """An id, 32 hexadecimal digits where the database has no type for it."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], UUID | None] | None:
        native = super().result_processor(dialect, coltype)  # type: ignore[no-untyped-call]
        return native and (lambda value: None if value is None else _id(value))


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware in, UTC out, on databases with and without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone cannot be stored.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
