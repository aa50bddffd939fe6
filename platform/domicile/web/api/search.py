"""``/v1/search``: passages without an answer."""

from __future__ import annotations

from litestar import post
from litestar.params import JSONBody

from domicile.domain.actions import Action
from domicile.retrieval.search import SearchQuery
from domicile.web.api.collections import resolve
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who
from domicile.web.schemas import SearchBody, SearchOut, passage_out


@post(
    "/search",
    status_code=200,
    summary="Search",
    tags=["search"],
    responses=problems(404, 413, 415),
    opt={"content_type": "application/json", **decides(Action.SEARCH_CREATE, Action.DOCUMENT_READ, Action.COLLECTION_LIST)},
)
async def search(data: JSONBody[SearchBody], visitor: Who, cell: Here) -> SearchOut:
    """The passages that fit best, from the documents that the caller may read."""
    wanted = await resolve(data.collections, visitor.caller, cell)
    query = SearchQuery(data.query, wanted, data.limit)
    result = await cell.search.search(visitor.caller, query)
    return SearchOut(
        passages=[passage_out(each) for each in result.passages],
        searched_documents=result.searched_documents,
        searched_collections=result.searched_collections,
        audit_id=result.audit_id,
    )
