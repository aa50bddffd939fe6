"""Retention, built from settings."""

from __future__ import annotations

from domicile.access.gate import Gate
from domicile.config import Settings
from domicile.domain.errors import ConfigurationError
from domicile.ingestion.removal import remove_document
from domicile.lifecycle.retention import RetentionBook
from domicile.lifecycle.retention_run import Discard, RetentionRun
from domicile.ports.clock import Clock
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database


def retention_book(settings: Settings, database: Database, gate: Gate, clock: Clock) -> RetentionBook:
    return RetentionBook(database=database, gate=gate, clock=clock, floor_days=audit_floor(settings))


def retention_run(database: Database, keys: KeyRing, gate: Gate, clock: Clock, discard: Discard) -> RetentionRun:
    return RetentionRun(database=database, keys=keys, gate=gate, clock=clock, remove=remove_document, discard=discard)


def audit_floor(settings: Settings) -> int:
    """Days that the audit log is kept at least; raises ``ConfigurationError`` for none."""
    if settings.audit_retention_floor_days < 1:
        raise ConfigurationError(
            "DOMICILE_AUDIT_RETENTION_FLOOR_DAYS has to be 1 or more.", hint="Leave it unset for six months (183 days)."
        )
    return settings.audit_retention_floor_days
