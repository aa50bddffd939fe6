"""Durable background work. Only ids are handed over: what the queue stores, it stores in clear."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID


class JobQueue(Protocol):
    async def enqueue(self, job_id: UUID, tenant_id: UUID) -> None:
        """Durable when it returns; the same job twice runs once. Raises ``DatabaseUnavailable``."""
        ...
