"""The caller's own chat history: list, read, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domicile.access.gate import Gate
from domicile.access.holds import held
from domicile.answers.history import ExchangeView, History
from domicile.answers.ownership import owned_conversation, resource_of
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.conversations import Conversation
from domicile.domain.principals import Caller
from domicile.policy.request import TenantResource
from domicile.ports.repositories import Database

#: Conversations that a list shows, the latest first.
MAX_LISTED = 50


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation with its decrypted title. ``exchanges`` is empty in a list."""

    id: UUID
    title: str
    created_at: datetime
    updated_at: datetime
    exchanges: tuple[ExchangeView, ...] = ()


class Conversations:
    """Every method decides and records before it opens a key."""

    def __init__(self, *, database: Database, history: History, gate: Gate) -> None:
        self._database = database
        self._history = history
        self._gate = gate

    async def list(self, caller: Caller) -> Sequence[ConversationView]:
        """The latest of the caller's conversations, without their exchanges."""
        resource = TenantResource(caller.tenant.id)
        decision = await self._gate.require(caller, Action.CONVERSATION_READ, resource)
        async with self._database.reading() as unit:
            found = await unit.conversations.of_principal(caller.tenant.id, caller.principal.id, MAX_LISTED)
        decisions = self._gate.decide_each(caller, Action.CONVERSATION_READ, [resource_of(each) for each in found])
        own = [each for each, permitted in zip(found, decisions, strict=True) if permitted.allowed]
        detail = (("conversations", len(own)),)
        await self._gate.record(caller, Action.CONVERSATION_READ, resource, Outcome.PERMITTED, decision, detail=detail)
        async with self._gate.completing(caller, Action.CONVERSATION_READ, resource, decision):
            titles = await self._history.titles(caller.tenant.id, own) if own else []
        return [_view(each, title) for each, title in zip(own, titles, strict=True)]

    async def get(self, caller: Caller, conversation_id: UUID) -> ConversationView:
        """With its exchanges, oldest first. Raises ``NotFound`` for one that is not the caller's."""
        action = Action.CONVERSATION_READ
        conversation, decision = await owned_conversation(self._gate, self._database, caller, conversation_id, action)
        await self._gate.record(caller, action, resource_of(conversation), Outcome.PERMITTED, decision)
        async with self._gate.completing(caller, action, resource_of(conversation), decision):
            (title,) = await self._history.titles(caller.tenant.id, [conversation])
            return _view(conversation, title, tuple(await self._history.read(conversation)))

    async def delete(self, caller: Caller, conversation_id: UUID) -> None:
        """Removes it, in one transaction with the audit event, and destroys its key. Raises like ``get``, and ``LegalHold``."""
        action = Action.CONVERSATION_DELETE
        conversation, decision = await owned_conversation(self._gate, self._database, caller, conversation_id, action)
        event = self._gate.event(
            caller,
            action,
            resource_of(conversation),
            Outcome.PERMITTED,
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
        )
        async with self._database.writing() as unit:
            hold = (await unit.holds.on_conversations(caller.tenant.id, [conversation_id])).get(conversation_id)
            if hold is None:
                await unit.conversations.delete(caller.tenant.id, conversation_id)
                await unit.audit.append(event)
                await unit.commit()
        if hold is not None:
            raise await held(self._gate, caller, action, resource_of(conversation), decision, hold)
        await self._history.destroy_key(conversation)


def _view(conversation: Conversation, title: str, exchanges: tuple[ExchangeView, ...] = ()) -> ConversationView:
    return ConversationView(conversation.id, title, conversation.created_at, conversation.updated_at, exchanges)
