"""Conversations on their way out of a cell and into another one, as files of a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

import msgspec

from domicile.answers.history import ExchangeBody, ExchangeView, History
from domicile.domain.conversations import Conversation
from domicile.domain.errors import BundleInvalid
from domicile.domain.values import clean_text

#: Characters of a title; ``history.TITLE_CHARS`` are what a cell makes itself.
_LONGEST_TITLE = 200


class ExchangeRecord(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A question with its answer. Its citations and its receipt name documents as the cell knew them that answered.

    ``withheld`` says that there was an answer, and that it is left out.
    """

    id: UUID
    created_at: datetime
    body: ExchangeBody
    withheld: bool


class ConversationRecord(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """``conversations/<id>.json``. ``owner`` is a login."""

    id: UUID
    owner: str
    title: str
    created_at: datetime
    updated_at: datetime
    exchanges: tuple[ExchangeRecord, ...]


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation, opened. ``documents`` are all that its answers draw from, cited or not, as far as that is known."""

    conversation: Conversation
    title: str
    exchanges: tuple[ExchangeView, ...]

    @property
    def documents(self) -> frozenset[UUID]:
        return _known_behind(self.exchanges)


class PortableConversations:
    """Decides nothing and records nothing: whoever calls it has done both."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def open(self, conversation: Conversation) -> Talk:
        """Raises ``DecryptionFailed``."""
        (title,) = await self._history.titles(conversation.tenant_id, [conversation])
        return Talk(conversation, title, tuple(await self._history.read(conversation)))

    def pack(self, talk: Talk, owner: str, readable: Set[UUID], *, own: bool) -> tuple[bytes, int]:
        """The conversation as a file, and how many answers are left out of it.

        Who has somebody else's conversation must not read in its answers what they may not read in its documents: an answer is
        left out that draws from any but the ``readable`` ones, or of which that is not known, and every later one, since it
        may go on from it. One's ``own`` answers one has read already; of them, citations that one may not open any more go.
        """
        records, hidden = [], False
        for each in talk.exchanges:
            sources = _drawn_from(each.body)
            hidden = hidden or (not own and (sources is None or not sources <= readable))
            records.append(_record(each, readable, withheld=hidden))
        record = ConversationRecord(
            id=talk.conversation.id,
            owner=owner,
            title=talk.title,
            created_at=talk.conversation.created_at,
            updated_at=talk.conversation.updated_at,
            exchanges=tuple(records),
        )
        left_out = sum(each.withheld for each in records)
        return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n", left_out

    def owner(self, body: bytes) -> str:
        """The login in a file; raises ``BundleInvalid`` for one that is no conversation."""
        return _read(body).owner

    async def restore(
        self, tenant_id: UUID, owner_id: UUID, body: bytes, versions: Mapping[UUID, tuple[UUID, UUID]], began: datetime
    ) -> bool:
        """Make it a conversation of that person's here, sealed by this cell's keys; False if it is there already.

        Its id follows from the one that it had, so that it is known again. ``versions`` gives the document and version here for
        a document's id there; citations of others point to nothing here. An erasure finds it by the documents here, like one
        that was answered here. Raises ``DocumentErased`` if one of them was erased since the import ``began``.
        """
        record = _read(body)
        # Under the id that it had: the bundle came from this very tenant.
        if await self._history.has(tenant_id, record.id) or await self._history.has(tenant_id, _renamed(tenant_id, record.id)):
            return False
        behind = _known_behind(record.exchanges)
        documents = frozenset(versions[each][0] if each in versions else each for each in behind)
        exchanges = [(_renamed(tenant_id, each.id), each.created_at, _moved(each.body, versions)) for each in record.exchanges]
        return await self._history.restore(
            Conversation(
                id=_renamed(tenant_id, record.id),
                tenant_id=tenant_id,
                principal_id=owner_id,
                data_key_id=tenant_id,  # given by the history
                title_envelope=b"",
                created_at=record.created_at,
                updated_at=record.updated_at,
            ),
            record.title,
            exchanges,
            await self._history.made_from(tenant_id, documents, began),
        )


def _known_behind(exchanges: Iterable[ExchangeView | ExchangeRecord]) -> frozenset[UUID]:
    return frozenset[UUID]().union(*(_named(each.body) for each in exchanges))


def _drawn_from(body: ExchangeBody) -> frozenset[UUID] | None:
    """The documents behind an answer; None where there may be others than those that are known."""
    if not body.answer:
        return frozenset()
    if body.receipt is None:
        return None
    return _named(body)


def _named(body: ExchangeBody) -> frozenset[UUID]:
    """The documents that an answer's receipt and citations name."""
    stated = body.receipt.statement.documents if body.receipt else ()
    return frozenset(each.id for each in stated) | {each.document_id for each in body.citations}


def _record(exchange: ExchangeView, readable: Set[UUID], *, withheld: bool) -> ExchangeRecord:
    body = exchange.body
    if withheld:
        body = replace(body, answer="", answered=False, complete=False, citations=(), receipt=None)
    else:
        body = replace(body, citations=tuple(each for each in body.citations if each.document_id in readable))
    return ExchangeRecord(id=exchange.id, created_at=exchange.created_at, body=body, withheld=withheld)


def _renamed(tenant_id: UUID, id_: UUID) -> UUID:
    return uuid5(tenant_id, f"import:{id_}")


def _moved(body: ExchangeBody, versions: Mapping[UUID, tuple[UUID, UUID]]) -> ExchangeBody:
    """Citations point to this cell's own documents; where there is none, to what nobody can open."""
    cited = []
    for each in body.citations:
        document_id, version_id = versions.get(each.document_id, (each.document_id, each.version_id))
        chunk_id = uuid5(version_id, str(each.chunk_id))
        cited.append(replace(each, document_id=document_id, version_id=version_id, chunk_id=chunk_id))
    return replace(body, citations=tuple(cited))


def _read(body: bytes) -> ConversationRecord:
    try:
        record = msgspec.json.decode(body, type=ConversationRecord)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise BundleInvalid("A conversation in the bundle does not have the right form.") from None
    times = [record.created_at, record.updated_at, *(each.created_at for each in record.exchanges)]
    if any(time.tzinfo is None for time in times) or len(clean_text(record.title)) > _LONGEST_TITLE:
        raise BundleInvalid("A conversation in the bundle does not have the right form.")
    return record
