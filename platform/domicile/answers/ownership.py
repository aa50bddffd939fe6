"""A conversation is its owner's and nobody else's: not its tenant's, not an administrator's."""

from __future__ import annotations

from uuid import UUID

from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.conversations import Conversation
from domicile.domain.errors import Forbidden, NotFound
from domicile.domain.principals import Caller
from domicile.policy.request import Decision, OwnedResource, TenantResource
from domicile.ports.repositories import Database


def resource_of(conversation: Conversation) -> OwnedResource:
    """The conversation, as policy sees it."""
    return OwnedResource("conversation", conversation.id, conversation.tenant_id, conversation.principal_id)


async def owned_conversation(
    gate: Gate, database: Database, caller: Caller, conversation_id: UUID, action: Action
) -> tuple[Conversation, Decision]:
    """The caller's own conversation with the decision that permits the action; nothing of it is decrypted.

    Raises ``NotFound`` for one that does not exist and for one of anybody else: the two must not be told apart. Raises
    ``Forbidden`` if it is the caller's but policy denies this. Every refusal is recorded.
    """
    try:
        async with database.reading() as unit:
            conversation = await unit.conversations.get(caller.tenant.id, conversation_id)
    except NotFound:
        nobody = Decision(allowed=False, policies=(), bundle_digest="")  # No policy had to decide.
        tenant = TenantResource(caller.tenant.id)
        await gate.record(caller, action, tenant, Outcome.DENIED, nobody, reason=NotFound.slug)
        raise
    try:
        return conversation, await gate.require(caller, action, resource_of(conversation))
    except Forbidden:
        if conversation.principal_id != caller.principal.id:
            raise NotFound() from None
        raise
