"""Rights and policies: what somebody would see, why or why not something, and the policies in force. Forms only, no script."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get
from litestar.params import FromQuery

from domicile.access.explain import Answer, Outlook, Question
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError, DomicileError, Forbidden, NotFound
from domicile.domain.principals import Caller
from domicile.policy.explanation import written
from domicile.web.cell import ServedCell
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who
from domicile.web.pages.rendering import PageRequest, page

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_REFERENCE = re.compile(r"(Group|Collection)::([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_PAGE = 50
#: Logins that are offered while one types; any other can be typed.
_OFFERED = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form holds. A bare id as ``resource`` is a document's."""

    person: str = ""
    action: str = Action.DOCUMENT_READ.value
    resource: str = ""
    after: str = ""

    @property
    def question(self) -> Question:
        named = f"document:{self.resource}" if _UUID.fullmatch(self.resource) else self.resource
        return Question(self.person, self.action, named)

    def link(self, **changed: object) -> str:
        """The page with that asked instead."""
        query = {"person": self.person, "action": self.action, "resource": self.resource, "after": self.after, **changed}
        return "/admin?" + urlencode({name: str(value) for name, value in query.items() if value})


@dataclass(frozen=True, slots=True)
class SeenDocument:
    """A row of what somebody would see. ``title`` is empty where the viewer may not see it."""

    id: UUID
    title: str
    collection: str
    classification: str
    groups: Sequence[str]
    region: str
    why: str


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to show about a person; ``fault`` says what was wrong with the question."""

    outlook: Outlook | None = None
    documents: Sequence[SeenDocument] = ()
    answer: Answer | None = None
    fault: DomicileError | None = None

    def named(self, values: Mapping[str, Any]) -> str:
        """Attributes in words; groups and collections of the tenant by their names."""
        names = self.outlook.names if self.outlook else {}
        return _REFERENCE.sub(lambda found: f"{found[1]}::{names.get(UUID(found[2]), found[2])}", written(values))

    @property
    def status(self) -> int:
        return 200 if self.fault is None else 404 if isinstance(self.fault, NotFound) else 400


@get(
    "/admin",
    include_in_schema=False,
    opt=decides(Action.POLICY_READ, Action.DOCUMENT_READ, Action.COLLECTION_LIST, Action.DOCUMENT_LIST),
)
async def admin(
    request: PageRequest,
    visitor: Who,
    cell: Here,
    person: FromQuery[str] = "",
    action: FromQuery[str] = "",
    resource: FromQuery[str] = "",
    after: FromQuery[str] = "",
) -> Response[str]:
    """For whoever may read policies; others are told that it is not part of their role."""
    asked = Asked(person.strip(), action or Action.DOCUMENT_READ.value, resource.strip(), after)
    try:
        policies = await cell.explanations.policies(visitor.caller)
    except Forbidden:
        return page(request, "not_for_role.html", status=403, about="admin")
    found = await _found(visitor.caller, cell, asked)
    return page(
        request,
        "admin.html",
        status=found.status,
        asked=asked,
        found=found,
        policies=policies,
        people=[each.login for each in policies.people[:_OFFERED]],
        actions=[each.value for each in Action],
    )


async def _found(caller: Caller, cell: ServedCell, asked: Asked) -> Found:
    if not asked.person:
        return Found()
    try:
        outlook = await cell.explanations.outlook(caller, asked.person, _cursor(asked.after), _PAGE)
        answer = await cell.explanations.explain(caller, asked.question) if asked.resource else None
    except (CallerError, NotFound) as fault:
        return Found(fault=fault)
    titles = await cell.library.titles(caller, [each.document_id for each in outlook.documents])
    names = {id_: title.title for id_, title in titles.items()}
    return Found(outlook, _rows(outlook, names, asked), answer)


def _rows(outlook: Outlook, titles: Mapping[UUID, str], asked: Asked) -> list[SeenDocument]:
    return [
        SeenDocument(
            id=each.document_id,
            title=titles.get(each.document_id, ""),
            collection=outlook.names[each.collection_id],
            classification=each.classification.label,
            groups=sorted(outlook.names.get(group, str(group)) for group in each.groups),
            region=each.region.name,
            why=asked.link(action=Action.DOCUMENT_READ.value, resource=f"document:{each.document_id}") + "#why",
        )
        for each in outlook.documents
    ]


def _cursor(text: str) -> UUID | None:
    return UUID(text) if _UUID.fullmatch(text) else None
