"""Chat history in envelopes: each conversation under a data key of its own, so that deleting the key deletes the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from domicile.answers.receipts import Receipt
from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import seal, unseal
from domicile.domain.conversations import Conversation, Exchange
from domicile.domain.errors import AlreadyExists, DecryptionFailed, DocumentErased, NotFound
from domicile.domain.principals import Caller
from domicile.domain.values import Region
from domicile.generation.citations import Citation
from domicile.ports.clock import Clock
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database, UnitOfWork

#: Characters of the first question that become a conversation's title.
TITLE_CHARS: Final = 80
#: Two answers to one conversation that end at once want the same place; the later one takes the next.
_TRIES: Final = 3
#: An erasure that was noted so long before an answer began may not have been seen by it: it commits later, and clocks differ.
ERASING: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class CitedPassage:
    """What a citation of an earlier answer points to. ``start`` and ``end`` are offsets into the version's extracted text.

    Its words are not kept here: who opens it reads the document, and is decided then.
    """

    number: int
    document_id: UUID
    version_id: UUID
    chunk_id: UUID
    start: int
    end: int
    title: str
    source: str
    page: int | None = None

    @classmethod
    def of(cls, citation: Citation) -> CitedPassage:
        """The citation, as it is kept."""
        passage = citation.passage
        return cls(
            number=citation.number,
            document_id=passage.attributes.document_id,
            version_id=passage.version_id,
            chunk_id=passage.chunk_id,
            start=passage.chunk.start + citation.start,
            end=passage.chunk.start + citation.end,
            title=passage.title.title,
            source=passage.title.source,
            page=passage.chunk.page,
        )


_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class About:
    """What an answer was made from: ``documents``, released after ``since``, and the subjects that these were about then."""

    documents: frozenset[UUID] = frozenset()
    subjects: frozenset[bytes] = frozenset()
    since: datetime = _NEVER


NOTHING = About()


@dataclass(frozen=True, slots=True)
class ExchangeBody:
    """A question with its answer. ``complete`` is False when the answer was broken off: what there was of it is kept."""

    question: str
    answer: str
    answered: bool
    complete: bool
    generator: str
    region: str
    citations: tuple[CitedPassage, ...] = ()
    #: None for one that was broken off, or is from before there were receipts.
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class ExchangeView:
    """An exchange of the caller's own, decrypted."""

    id: UUID
    created_at: datetime
    body: ExchangeBody


_decode_body = msgspec.json.Decoder(ExchangeBody).decode


class History:
    """Writes and reads conversations. Decides nothing and records nothing: whoever calls it has done both."""

    def __init__(self, *, database: Database, keys: KeyRing, clock: Clock, region: Region) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._region = region

    async def made_from(self, tenant_id: UUID, documents: frozenset[UUID], began: datetime) -> About:
        """Of what was made from those documents since it began. Read now: one may be gone by the time the words are kept."""
        if not documents:
            return NOTHING
        async with self._database.reading() as unit:
            subjects = await unit.subjects.of_documents(tenant_id, sorted(documents))
        return About(documents, frozenset[bytes]().union(*subjects.values()), began - ERASING)

    async def begin(self, caller: Caller, question: str, about: About = NOTHING) -> Conversation:
        """A new conversation of the caller's, durable, named after its first question. Raises ``DocumentErased``."""
        tenant_id, now = caller.tenant.id, self._clock.now()
        id_, key_id = self._clock.new_id(), self._clock.new_id()
        (key,) = await self._keys.create(tenant_id, [key_id])
        title = seal(key, self._context(tenant_id, id_, "", Part.CONVERSATION_TITLE), title_of(question).encode())
        conversation = Conversation(id_, tenant_id, caller.principal.id, key_id, title, now, now)
        async with self._database.writing() as unit:
            await unit.conversations.add(conversation)
            await _tag(unit, conversation.id, about)
            await unit.commit()
        return conversation

    async def add(self, conversation: Conversation, exchange_id: UUID, body: ExchangeBody, about: About = NOTHING) -> None:
        """Append the exchange, durably, and with it what its answer was made from.

        Raises ``DecryptionFailed`` if the conversation was deleted in the meantime, and ``DocumentErased``.
        """
        key = await self._keys.open(conversation.tenant_id, conversation.data_key_id)
        for attempt in range(_TRIES):
            try:
                async with self._database.writing() as unit:
                    ordinal = len(await unit.conversations.exchanges(conversation.id))
                    context = self._context(conversation.tenant_id, conversation.id, str(ordinal), Part.EXCHANGE)
                    envelope = seal(key, context, msgspec.json.encode(body))
                    await unit.conversations.add_exchange(
                        Exchange(exchange_id, conversation.id, ordinal, envelope, self._clock.now())
                    )
                    await _tag(unit, conversation.id, about)
                    await unit.commit()
            except AlreadyExists:
                if attempt == _TRIES - 1:
                    raise
            else:
                return

    async def has(self, tenant_id: UUID, conversation_id: UUID) -> bool:
        """Whether there is such a conversation, whoever's it is."""
        try:
            async with self._database.reading() as unit:
                await unit.conversations.get(tenant_id, conversation_id)
        except NotFound:
            return False
        return True

    async def restore(
        self, conversation: Conversation, title: str, exchanges: Sequence[tuple[UUID, datetime, ExchangeBody]], about: About
    ) -> bool:
        """Add a whole conversation under a key of its own, in one transaction; False, and nothing, if it is there already.

        Raises ``DocumentErased``.
        """
        tenant_id, id_ = conversation.tenant_id, conversation.id
        (key,) = await self._keys.create(tenant_id, [self._clock.new_id()])
        envelope = seal(key, self._context(tenant_id, id_, "", Part.CONVERSATION_TITLE), title.encode())
        try:
            async with self._database.writing() as unit:
                await unit.conversations.add(replace(conversation, data_key_id=key.id, title_envelope=envelope))
                for ordinal, (exchange_id, at, body) in enumerate(exchanges):
                    context = self._context(tenant_id, id_, str(ordinal), Part.EXCHANGE)
                    sealed = seal(key, context, msgspec.json.encode(body))
                    await unit.conversations.add_exchange(Exchange(exchange_id, id_, ordinal, sealed, at))
                await _tag(unit, id_, about)
                await unit.commit()
        except AlreadyExists:
            await self._keys.destroy(tenant_id, [key.id])
            return False
        return True

    async def read(self, conversation: Conversation) -> list[ExchangeView]:
        """Its exchanges, oldest first. Raises ``DecryptionFailed``."""
        key = await self._keys.open(conversation.tenant_id, conversation.data_key_id)
        async with self._database.reading() as unit:
            exchanges = await unit.conversations.exchanges(conversation.id)
        views = []
        for each in exchanges:
            context = self._context(conversation.tenant_id, conversation.id, str(each.ordinal), Part.EXCHANGE)
            plain = unseal(key, context, each.body_envelope)
            try:
                views.append(ExchangeView(each.id, each.created_at, _decode_body(plain)))
            except msgspec.DecodeError:
                raise DecryptionFailed() from None
        return views

    async def destroy_key(self, conversation: Conversation) -> None:
        """Make the words of a conversation that was just deleted unreadable in every copy of them."""
        await self._keys.destroy(conversation.tenant_id, [conversation.data_key_id])

    async def titles(self, tenant_id: UUID, conversations: Sequence[Conversation]) -> list[str]:
        """Their titles, in the same order. Raises ``DecryptionFailed``."""
        keys = await self._keys.open_many(tenant_id, frozenset(each.data_key_id for each in conversations))
        contexts = [self._context(tenant_id, each.id, "", Part.CONVERSATION_TITLE) for each in conversations]
        return [
            unseal(keys[each.data_key_id], context, each.title_envelope).decode()
            for each, context in zip(conversations, contexts, strict=True)
        ]

    def _context(self, tenant_id: UUID, conversation_id: UUID, version: str, part: Part) -> EncryptionContext:
        return EncryptionContext(tenant_id, self._region, conversation_id, version, part)


async def _tag(unit: UnitOfWork, conversation_id: UUID, about: About) -> None:
    """In the unit that stores the words, so that an erasure at the same moment finds them or keeps them from being stored."""
    if await unit.erasures.erased_since(about.documents, about.since):
        raise DocumentErased()
    await unit.subjects.add_to_conversation(conversation_id, about.subjects)
    await unit.conversations.add_documents(conversation_id, about.documents)


def title_of(question: str) -> str:
    """The question on one line, cut after a word."""
    line = " ".join(question.split())
    if len(line) <= TITLE_CHARS:
        return line
    cut = line[: TITLE_CHARS - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut) + "…"
