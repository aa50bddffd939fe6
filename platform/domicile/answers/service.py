"""From a question to a cited answer.

Obligations, labelled where they are met:

1. Find what the caller may read; it stays sealed.
2. Let data flow only to a model in a region that policy permits for all of it, with a legal basis and an entry in the
   transfer register if that is another region; otherwise refuse, and fall back to nothing.
3. Record who gets which passages, under which policies, by which model, durably, before any key is opened.
4. Release, and only then ask the model: it sees what the caller may read and nothing else.
5. An answer that breaks off is recorded as failed and told as an error; what was shown of it is kept as incomplete.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domicile.access.gate import Gate
from domicile.access.transfers import Registered, TransferRegister
from domicile.answers.events import AnswerEvent, AnswerRequest, Citations, Delta, Done, Receipted, Sources
from domicile.answers.history import NOTHING, About, CitedPassage, ExchangeBody, History
from domicile.answers.ownership import owned_conversation
from domicile.answers.receipts import Facts, Located, Receipt, Receipts
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.conversations import Conversation
from domicile.domain.documents import Passage
from domicile.domain.errors import DomicileError
from domicile.domain.principals import Caller
from domicile.generation.citations import Citation, citations_in
from domicile.generation.endpoint import require_endpoint
from domicile.generation.phrases import nothing_found
from domicile.policy.request import TenantResource
from domicile.ports.clock import Clock
from domicile.ports.generator import Finished, GenerationEvent, GenerationRequest, Generator, TextDelta, Turn
from domicile.ports.repositories import Database
from domicile.retrieval.search import Found, Retriever, SearchQuery

#: Earlier exchanges that a model is told of, the latest.
MAX_TURNS = 6


@dataclass(frozen=True, slots=True)
class _Opened:
    """An answer that may begin: decided, recorded, released."""

    answer_id: UUID
    audit_id: UUID
    found: Found
    passages: tuple[Passage, ...]
    about: About
    turns: tuple[Turn, ...]
    conversation: Conversation | None
    policies: Sequence[str]
    transfer: Registered | None


@dataclass(slots=True)
class _Transcript:
    """What has been said so far."""

    pieces: list[str] = field(default_factory=list)
    citations: tuple[Citation, ...] = ()
    receipt: Receipt | None = None
    end: Finished | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Answers:
    """Shared by all requests. ``generator`` is the one that writes this cell's answers, ``receipts`` signs for them."""

    def __init__(
        self,
        *,
        retriever: Retriever,
        generator: Generator,
        gate: Gate,
        transfers: TransferRegister,
        history: History,
        database: Database,
        clock: Clock,
        receipts: Receipts,
    ) -> None:
        self.receipts = receipts
        self._retriever = retriever
        self._generator = generator
        self._gate = gate
        self._transfers = transfers
        self._history = history
        self._database = database
        self._clock = clock
        self._keeping: set[asyncio.Task[None]] = set()

    async def answer(self, caller: Caller, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        """``Sources``, ``Delta`` …, ``Citations``, ``Receipted``, ``Done``. Closing the iterator stops the model.

        Raises as ``Retriever.find`` and ``require_endpoint`` do, ``NotFound`` for a conversation that is not the caller's,
        ``AuditUnavailable``, ``DocumentErased``, and once it has begun ``ModelUnavailable``, ``ModelTimeout`` or
        ``ModelStreamBroken``.
        """
        opened = await self._open(caller, request)
        transcript = _Transcript()
        try:
            yield self._sources(opened)
            async with aclosing(self._generated(request, opened)) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        transcript.pieces.append(event.text)
                        yield Delta(event.text)
                    else:
                        transcript.end = event
            transcript.citations = citations_in(transcript.text, opened.passages)
            yield Citations(transcript.citations)
            transcript.receipt = receipt = self._receipt(caller, opened)
            await self._keep(request, opened, transcript)
        except DomicileError as error:
            await self._failed(caller, opened.found, opened.answer_id, error)  # (5)
            await self._keep_incomplete(request, opened, transcript)
            raise
        except (GeneratorExit, asyncio.CancelledError):
            await self._keep_incomplete(request, opened, transcript)
            raise
        yield Receipted(receipt)
        yield _done(transcript)

    async def close(self) -> None:
        """Waits until every exchange that is being written has been."""
        await asyncio.gather(*self._keeping, return_exceptions=True)

    async def _open(self, caller: Caller, request: AnswerRequest) -> _Opened:
        began = self._clock.now()
        conversation = await self._conversation(caller, request)
        query = SearchQuery(request.question, request.collections, request.limit)
        found = await self._retriever.find(caller, query, Action.ANSWER_CREATE)  # (1)
        policies, transfer = set(found.policies), None
        if found.candidates:
            regions = [each.document.attributes.region for each in found.candidates]
            permitted = await require_endpoint(self._gate, self._transfers, caller, self._generator, regions)  # (2)
            policies |= set(permitted.decision.policies)
            transfer = permitted.transfer
        answer_id = self._clock.new_id()
        detail = _named(answer_id, conversation, transfer)
        audit_id = await self._permitted(caller, found, sorted(policies), detail)  # (3)
        try:
            passages = await self._retriever.release(caller, found)  # (4)
            turns = await self._turns(conversation)
            about = await self._about(caller, passages, began) if request.remember else NOTHING
            if conversation is None and request.remember:
                conversation = await self._history.begin(caller, request.question, about)
        except DomicileError as error:
            await self._failed(caller, found, answer_id, error)
            raise
        return _Opened(answer_id, audit_id, found, tuple(passages), about, turns, conversation, sorted(policies), transfer)

    async def _about(self, caller: Caller, passages: Sequence[Passage], began: datetime) -> About:
        documents = frozenset(each.attributes.document_id for each in passages)
        return await self._history.made_from(caller.tenant.id, documents, began)

    async def _conversation(self, caller: Caller, request: AnswerRequest) -> Conversation | None:
        if request.conversation_id is None:
            return None
        conversation, _ = await owned_conversation(
            self._gate, self._database, caller, request.conversation_id, Action.CONVERSATION_READ
        )
        return conversation

    async def _turns(self, conversation: Conversation | None) -> tuple[Turn, ...]:
        """What was asked and answered before; an answer that broke off or found nothing would only mislead a model."""
        if conversation is None:
            return ()
        bodies = [each.body for each in await self._history.read(conversation)]
        whole = [Turn(body.question, body.answer) for body in bodies if body.complete and body.answered]
        return tuple(whole[-MAX_TURNS:])

    async def _permitted(
        self, caller: Caller, found: Found, policies: Sequence[str], detail: tuple[tuple[str, str], ...]
    ) -> UUID:
        return await self._gate.record(
            caller,
            Action.ANSWER_CREATE,
            TenantResource(caller.tenant.id),
            Outcome.PERMITTED,
            found.decision,
            documents=found.document_ids,
            chunks=found.chunk_ids,
            policies=tuple(policies),
            # With no passages no model is asked.
            model=self._generator.name if found.candidates else "",
            model_region=self._generator.region.name if found.candidates else "",
            detail=detail,
        )

    async def _failed(self, caller: Caller, found: Found, answer_id: UUID, error: DomicileError) -> None:
        await self._gate.record(
            caller,
            Action.ANSWER_CREATE,
            TenantResource(caller.tenant.id),
            Outcome.FAILED,
            found.decision,
            reason=error.slug,
            detail=(("answer", str(answer_id)),),
        )

    def _receipt(self, caller: Caller, opened: _Opened) -> Receipt:
        """Where everything was. With no passages no model was asked, and nothing flowed to it."""
        asked = bool(opened.passages)
        facts = Facts(
            answer_id=opened.answer_id,
            audit_id=opened.audit_id,
            bundle_digest=opened.found.decision.bundle_digest,
            documents=[each.attributes for each in opened.passages],
            model=Located(self._generator.name, self._generator.region.name) if asked else None,
            policies=opened.policies,
            transfers=[opened.transfer.basis] if opened.transfer and asked else [],
        )
        return self.receipts.issue(caller, facts)

    def _sources(self, opened: _Opened) -> Sources:
        return Sources(
            answer_id=opened.answer_id,
            conversation_id=opened.conversation.id if opened.conversation is not None else None,
            passages=opened.passages,
            searched_documents=opened.found.searched_documents,
            searched_collections=opened.found.searched_collections,
            generator=self._generator.name,
            region=self._generator.region,
            audit_id=opened.audit_id,
        )

    async def _generated(self, request: AnswerRequest, opened: _Opened) -> AsyncGenerator[GenerationEvent, None]:
        found = opened.found
        if not opened.passages:
            yield TextDelta(nothing_found(request.question, found.searched_documents, found.searched_collections))
            yield Finished(answered=False)
            return
        wanted = GenerationRequest(
            request.question, opened.passages, opened.turns, found.searched_documents, found.searched_collections
        )
        async with aclosing(self._generator.generate(wanted)) as events:
            async for event in events:
                yield event

    async def _keep(self, request: AnswerRequest, opened: _Opened, transcript: _Transcript) -> None:
        """Writes the exchange to its conversation, if it is to be remembered."""
        if opened.conversation is None or not request.remember:
            return
        end = transcript.end
        body = ExchangeBody(
            question=request.question.strip(),
            answer=transcript.text,
            answered=end is not None and end.answered,
            complete=end is not None,
            generator=self._generator.name,
            region=self._generator.region.name,
            citations=tuple(CitedPassage.of(each) for each in transcript.citations),
            receipt=transcript.receipt,
        )
        # A task of its own: whoever went away has cancelled this one, and may go on cancelling what it waits for.
        keeping = asyncio.create_task(self._history.add(opened.conversation, opened.answer_id, body, opened.about))
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)
        await asyncio.shield(keeping)

    async def _keep_incomplete(self, request: AnswerRequest, opened: _Opened, transcript: _Transcript) -> None:
        """(5) As ``_keep``; if that fails too, the first failure is the one to tell."""
        transcript.citations = citations_in(transcript.text, opened.passages)
        with suppress(DomicileError):
            await self._keep(request, opened, transcript)


def _named(answer_id: UUID, conversation: Conversation | None, transfer: Registered | None) -> tuple[tuple[str, str], ...]:
    """What belongs together, by its ids."""
    named = [("answer", answer_id)]
    if conversation is not None:
        named.append(("conversation", conversation.id))
    if transfer is not None:
        named.append(("transfer", transfer.record.id))
    return tuple((name, str(id_)) for name, id_ in named)


def _done(transcript: _Transcript) -> Done:
    end = transcript.end or Finished(answered=False)
    return Done(end.answered, end.prompt_tokens, end.completion_tokens)
