"""Chat history: what was asked and answered, stored only as envelopes under one data key per conversation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Conversation:
    id: UUID
    tenant_id: UUID
    principal_id: UUID
    data_key_id: UUID
    title_envelope: bytes
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question with its answer. ``body_envelope`` holds both, with the citations."""

    id: UUID
    conversation_id: UUID
    ordinal: int
    body_envelope: bytes
    created_at: datetime
