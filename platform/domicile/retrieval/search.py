"""The search use case: find, record, release."""

from __future__ import annotations

from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.principals import Caller
from domicile.policy.request import TenantResource
from domicile.retrieval.candidates import MAX_LIMIT, Candidate, Found, SearchQuery, SearchResult
from domicile.retrieval.retriever import Retriever

__all__ = ["MAX_LIMIT", "Candidate", "Found", "Retriever", "Search", "SearchQuery", "SearchResult"]


class Search:
    """Passages without an answer."""

    def __init__(self, *, retriever: Retriever, gate: Gate) -> None:
        self._retriever = retriever
        self._gate = gate

    async def search(self, caller: Caller, query: SearchQuery) -> SearchResult:
        """The best passages that the caller may read. Raises as ``Retriever.find`` does, or ``AuditUnavailable``."""
        found = await self._retriever.find(caller, query, Action.SEARCH_CREATE)
        resource = TenantResource(caller.tenant.id)
        audit_id = await self._gate.record(
            caller,
            Action.SEARCH_CREATE,
            resource,
            Outcome.PERMITTED,
            found.decision,
            documents=found.document_ids,
            chunks=found.chunk_ids,
            policies=found.policies,
        )
        async with self._gate.completing(caller, Action.SEARCH_CREATE, resource, found.decision):
            passages = await self._retriever.release(caller, found)
        return SearchResult(tuple(passages), found.searched_documents, found.searched_collections, audit_id)
