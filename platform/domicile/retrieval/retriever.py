"""From a question to passages: decide, scope, embed, search both legs, fuse, decide each hit, decrypt.

Obligations of a search, labelled where they are met:

1. Decide whether the caller may search at all.
2. Search within the caller's scope only, in both legs; a wish for certain collections can narrow it and never widen it.
3. Believe the database, not the index: a hit counts only if its version is current, and is decided on its stored attributes.
4. Decide every hit again with the full policy. One that is denied by the policies that made the scope is a bug of ours: it
   stays sealed, is counted and audited. One that is denied because policies changed meanwhile just stays sealed.
5. Release nothing before an audit event that names it is durable. The caller owes this, between ``find`` and ``release``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.crypto.envelope import key_id_of
from domicile.domain.actions import Action
from domicile.domain.documents import Passage
from domicile.domain.errors import CallerError, NotFound, QuestionEmpty, QuestionTooLong
from domicile.domain.principals import Caller
from domicile.domain.values import clean_text
from domicile.policy.request import Decision, TenantResource
from domicile.policy.scope import AllOf, Field, OneOf, RetrievalScope, admits
from domicile.ports.embedder import Embedder, SparseEncoder
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database
from domicile.ports.telemetry import Telemetry
from domicile.ports.vector_index import Ranked, SparseVector, Vector, VectorIndex
from domicile.retrieval.candidates import MAX_LIMIT, Candidate, Found, SearchQuery
from domicile.retrieval.horizon import Horizon
from domicile.retrieval.ranking import Legs, RankedHit, ranked
from domicile.retrieval.together import both
from domicile.retrieval.unsealing import passage_of, title_of

#: Hits taken from each leg. Fusion needs depth: a passage that is tenth in both legs may well be the best.
MIN_DEPTH = 50
#: How often the depth is multiplied by ``DEEPER`` when too many hits were of versions that are no longer current.
ROUNDS = 3
DEEPER = 4


class Retriever:
    """Shared by search and answers. ``max_question_chars`` bounds a question's length in characters."""

    def __init__(
        self,
        *,
        database: Database,
        index: VectorIndex,
        embedder: Embedder,
        sparse: SparseEncoder,
        keys: KeyRing,
        gate: Gate,
        telemetry: Telemetry,
        max_question_chars: int = 4000,
    ) -> None:
        self._database = database
        self._index = index
        self._embedder = embedder
        self._sparse = sparse
        self._keys = keys
        self._gate = gate
        self._telemetry = telemetry
        self._max_question_chars = max_question_chars
        self._horizon = Horizon(database, gate)

    async def find(self, caller: Caller, query: SearchQuery, action: Action) -> Found:
        """What may be released for the query, still sealed.

        Raises ``QuestionEmpty``, ``QuestionTooLong``, ``InvalidText``, ``Forbidden``, or ``NotFound`` for a collection that the
        caller cannot see, besides the failures of the stores and the embedder.
        """
        text = self._checked(query)
        decision = await self._gate.require(caller, action, TenantResource(caller.tenant.id))  # (1)
        scope = narrowed(await self._gate.scope(caller), query.collections)  # (2)
        wanted = _Wanted(self._sparse.encode_query(text), scope, query.limit)
        # The model computes in a thread of its own; what needs no vector is done meanwhile.
        dense, (collections, documents, matching) = await both(
            self._embedder.embed_query(text), self._besides(caller, query, action, decision, wanted)
        )
        candidates = await self._candidates(caller, wanted, dense, matching)
        if any(each.decision.bundle_digest != decision.bundle_digest for each in candidates):
            # What decided the hits has to be what the event of their release names, and so it decides about the search, too.
            decision = await self._gate.require(caller, action, TenantResource(caller.tenant.id))  # (1)
        policies = {*decision.policies, *(policy for each in candidates for policy in each.policies)}
        return Found(
            decision=decision,
            candidates=tuple(each.candidate for each in candidates),
            searched_documents=documents,
            searched_collections=collections,
            policies=tuple(sorted(policies)),
        )

    async def release(self, caller: Caller, found: Found) -> list[Passage]:
        """The passages, decrypted, best first. Owes (5) to whoever calls it. Raises ``DecryptionFailed``."""
        if not found.candidates:
            return []
        documents = {candidate.document.id: candidate.document for candidate in found.candidates}
        # By the key that each envelope names: a document that is being encrypted anew has two.
        named = {key_id_of(candidate.hit.envelope) for candidate in found.candidates}
        own = {document.version.data_key_id for document in documents.values()}
        keys = await self._keys.open_many(caller.tenant.id, frozenset(named | own))
        titles = {id_: title_of(each, keys[each.version.data_key_id]) for id_, each in documents.items()}
        return [passage_of(each, keys[key_id_of(each.hit.envelope)], titles[each.document.id]) for each in found.candidates]

    def _checked(self, query: SearchQuery) -> str:
        text = clean_text(query.text).strip()
        if not text:
            raise QuestionEmpty()
        if len(text) > self._max_question_chars:
            detail = f"A question may have {self._max_question_chars} characters; this one has {len(text)}."
            raise QuestionTooLong(detail, limit=self._max_question_chars)
        if not 1 <= query.limit <= MAX_LIMIT:
            raise CallerError(f"The limit has to be from 1 to {MAX_LIMIT}.", limit=MAX_LIMIT)
        return text

    async def _besides(
        self, caller: Caller, query: SearchQuery, action: Action, decision: Decision, wanted: _Wanted
    ) -> tuple[int, int, tuple[Ranked, ...]]:
        """How many collections and documents are searched, and the sparse leg."""
        collections = await self._collections(caller, query, action, decision)
        documents = await self._horizon.documents(wanted.scope)
        return collections, documents, await self._index.matching(wanted.sparse, wanted.scope, wanted.depth)

    async def _collections(self, caller: Caller, query: SearchQuery, action: Action, decision: Decision) -> int:
        try:
            return await self._horizon.collections(caller, query.collections)
        except NotFound:
            resource = TenantResource(caller.tenant.id)
            await self._gate.record(caller, action, resource, Outcome.DENIED, decision, reason="unknown-collection")
            raise

    async def _candidates(self, caller: Caller, wanted: _Wanted, dense: Vector, matching: tuple[Ranked, ...]) -> list[_Decided]:
        """The best hits that are current and permitted; searches deeper when too few of those found were current."""
        depth, decided = wanted.depth, list[_Decided]()
        for _ in range(ROUNDS):
            legs = Legs(await self._index.nearest(dense, wanted.scope, depth), matching)
            decided = await self._decided(caller, wanted, legs)
            if legs.depth < depth or len(decided) >= wanted.limit:
                break
            depth *= DEEPER
            matching = await self._index.matching(wanted.sparse, wanted.scope, depth)
        denied = [each for each in decided if not each.permitted]
        await self._alarm(caller, [each for each in denied if each.decision.bundle_digest == wanted.scope.bundle_digest])
        return [each for each in decided if each.permitted]

    async def _decided(self, caller: Caller, wanted: _Wanted, legs: Legs) -> list[_Decided]:
        """Goes down the fused hits until enough are current and permitted, loading no more documents than that takes."""
        decided: list[_Decided] = []
        async for hits in ranked(legs, self._index.fetch, wanted.limit):
            current = await self._current(caller.tenant.id, hits)
            documents = [each.document.attributes for each in current]
            decisions = self._gate.decide_each(caller, Action.DOCUMENT_READ, documents)  # (4)
            for candidate, decision in zip(current, decisions, strict=True):
                permitted = decision.allowed and admits(wanted.scope.tree, candidate.document.attributes)
                decided.append(_Decided(candidate, decision, permitted))
                if sum(each.permitted for each in decided) == wanted.limit:
                    return decided
        return decided

    async def _current(self, tenant_id: UUID, hits: Sequence[RankedHit]) -> list[Candidate]:
        """(3) The hits whose version is the one that the database shows, each with its stored document."""
        async with self._database.reading() as unit:
            documents = await unit.documents.many(list({each.hit.document_id for each in hits}), tenant_id)
        return [
            each.candidate(document)
            for each in hits
            if (document := documents.get(each.hit.document_id)) and document.version.id == each.hit.version_id
        ]

    async def _alarm(self, caller: Caller, denied: Sequence[_Decided]) -> None:
        """(4) The scope let through what policy denies: the two disagree, and that must be seen."""
        by_document: dict[UUID, list[_Decided]] = {}
        for each in denied:
            by_document.setdefault(each.candidate.document.id, []).append(each)
        for same in by_document.values():
            self._telemetry.count("domicile.scope_mismatch")
            attributes, chunks = same[0].candidate.document.attributes, tuple(each.candidate.hit.chunk_id for each in same)
            await self._gate.record(
                caller,
                Action.DOCUMENT_READ,
                attributes,
                Outcome.DENIED,
                same[0].decision,
                documents=(attributes.document_id,),
                chunks=chunks,
                reason="scope-mismatch",
            )


def narrowed(scope: RetrievalScope, collections: frozenset[UUID] | None) -> RetrievalScope:
    """The scope within those collections. The original always stays a part of it, so that nothing can be gained."""
    if collections is None:
        return scope
    within = OneOf(Field.COLLECTION, frozenset(str(each) for each in collections))
    return RetrievalScope(AllOf((scope.tree, within)), scope.policies, scope.bundle_digest)


@dataclass(frozen=True, slots=True)
class _Wanted:
    sparse: SparseVector
    scope: RetrievalScope
    limit: int

    @property
    def depth(self) -> int:
        """How many hits are taken from each leg at first."""
        return max(MIN_DEPTH, 2 * self.limit)


@dataclass(frozen=True, slots=True)
class _Decided:
    candidate: Candidate
    decision: Decision
    permitted: bool

    @property
    def policies(self) -> tuple[str, ...]:
        return self.decision.policies
