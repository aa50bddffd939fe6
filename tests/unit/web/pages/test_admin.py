"""The page about rights and policies."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from tests.fakes.cell import MemoryCell, browser, client

from domicile.domain.actions import Action


async def minutes(cell: MemoryCell) -> tuple[UUID, str]:
    """The board's document, which ``mia`` may not read, and its title."""
    ada = await cell.caller("ada")
    found = await cell.library.documents(ada, (await cell.library.collection(ada, "board")).id)
    return found.documents[0].id, found.documents[0].title.title


async def test_an_anonymous_visitor_is_sent_to_sign_in(cell: MemoryCell) -> None:
    """And comes back to what was asked."""
    answered = await client(cell, None, Accept="text/html").get("/admin?person=mia")
    assert (answered.status_code, answered.headers["location"]) == (303, "/login?next=%2Fadmin%3Fperson%3Dmia")


async def test_a_member_is_told_that_it_is_not_part_of_their_role(cell: MemoryCell) -> None:
    """In words, with no policy in them; the attempt is recorded."""
    http = await browser(cell, "mia")
    answered = await http.get("/admin?person=ada")
    assert answered.status_code == 403
    assert "not part of your role" in answered.text
    assert "member-documents" not in answered.text
    newest = (await cell.audit_log.read(None, limit=1))[0].event
    assert (newest.action, newest.outcome) == (Action.POLICY_READ, "denied")


async def test_another_tenants_people_and_documents_do_not_exist(cell: MemoryCell) -> None:
    """The same page for what is theirs and for what never was, and none of their names on it."""
    document, title = await minutes(cell)
    http = await browser(cell, "gus")
    for theirs, absent in (
        ("person=mia", "person=nobody"),
        (f"person=gil&resource={document}", f"person=gil&resource={uuid4()}"),
    ):
        shown, control = await http.get(f"/admin?{theirs}"), await http.get(f"/admin?{absent}")
        assert (shown.status_code, control.status_code) == (404, 404)
        assert title not in shown.text
        assert "There is no such account or resource in this tenant." in shown.text
        assert 'value="mia"></option>' not in shown.text


async def test_an_administrator_sees_what_somebody_would_see(cell: MemoryCell) -> None:
    """How many documents, in which collections, with titles that the administrator may see."""
    http = await browser(cell, "ada")
    shown = (await http.get("/admin?person=mia")).text
    assert "Documents: 2, in collections: 1" in shown
    assert "Leave policy" in shown
    assert "Board minutes" not in shown
    assert '<option value="mia"></option>' in shown


async def test_an_auditor_sees_ids_and_no_title(cell: MemoryCell) -> None:
    """Everything else as the administrator does."""
    http = await browser(cell, "olaf")
    shown = (await http.get("/admin?person=ada")).text
    document, title = await minutes(cell)
    assert "Documents: 3, in collections: 2" in shown
    assert str(document) in shown
    assert [each for each in (title, "Leave policy", "Travel policy") if each in shown] == []


async def test_titles_are_recorded_as_the_viewers_own_reading(cell: MemoryCell) -> None:
    """One event for each, by the viewer; none where no title shows."""
    await (await browser(cell, "ada")).get("/admin?person=mia")
    events = [each.event for each in await cell.audit_log.read(None, limit=2)]
    assert {(each.action, each.outcome, each.principal_id) for each in events} == {
        (Action.DOCUMENT_LIST, "permitted", cell.people["ada"].principal.id)
    }
    await (await browser(cell, "olaf")).get("/admin?person=mia")
    assert (await cell.audit_log.read(None, limit=1))[0].event.action is Action.POLICY_READ


async def test_why_not_is_said_with_the_policys_text_and_the_names_of_groups(cell: MemoryCell) -> None:
    """A bare id is a document's; the title of what is asked about does not show."""
    document, title = await minutes(cell)
    shown = (await (await browser(cell, "olaf")).get(f"/admin?person=mia&resource={document}")).text
    assert "Denied" in shown
    assert "{ resource.classification &lt;= principal.clearance }" in shown
    assert "resource.classification = 3, principal.clearance = 2" in shown
    assert "resource.groups = [Group::board], principal.groups = []" in shown
    assert title not in shown


async def test_what_is_permitted_names_its_policy(cell: MemoryCell) -> None:
    """With where it stands."""
    shown = (await (await browser(cell, "ada")).get("/admin?person=mia&action=answer:create&resource=tenant")).text
    assert "Permitted" in shown
    assert "members.cedar, line" in shown


async def test_the_policies_in_force_are_there_for_whoever_may_read_them(cell: MemoryCell) -> None:
    """Each with its text, under their digest."""
    shown = (await (await browser(cell, "olaf")).get("/admin")).text
    found = await cell.explanations.policies(await cell.caller("olaf"))
    assert found.bundle_digest in shown
    assert [each.id for each in found.policies if f"<code>{each.id}</code>" not in shown] == []


@pytest.mark.parametrize("query", ["person=mia&action=document:eat&resource=tenant", "person=mia&resource=elephant:1"])
async def test_what_cannot_be_asked_is_said_on_the_page(cell: MemoryCell, query: str) -> None:
    """With the form as it was filled."""
    answered = await (await browser(cell, "ada")).get(f"/admin?{query}")
    assert answered.status_code == 400
    assert 'value="mia"' in answered.text
    assert 'role="alert"' in answered.text


async def test_what_is_typed_is_text_and_never_markup(cell: MemoryCell) -> None:
    """In the form and in the message."""
    shown = (await (await browser(cell, "ada")).get("/admin?person=%3Cb%3Eme%3C/b%3E&resource=%3Ci%3Ex")).text
    assert "<b>me" not in shown
    assert "<i>x" not in shown


async def test_a_long_list_goes_on_from_page_to_page(cell: MemoryCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a cursor; one that is no id starts at the beginning."""
    monkeypatch.setattr("domicile.web.pages.admin._PAGE", 2)
    http = await browser(cell, "ada")
    first = (await http.get("/admin?person=ada&after=nonsense")).text
    following = first.split("Next page")[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    second = (await http.get(following)).text
    assert "Next page" not in second
    assert "First page" in second
    assert second.count(">Why?") == 1
