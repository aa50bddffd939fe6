"""``/v1/policies/explain``."""

from __future__ import annotations

from tests.fakes.cell import MemoryCell, client

PATH = "/v1/policies/explain"


async def test_an_anonymous_request_is_refused(cell: MemoryCell) -> None:
    """What policies demand of whom is nobody else's business."""
    asked = {"principal": "mia", "action": "answer:create", "resource": "tenant"}
    assert (await client(cell).post(PATH, json=asked)).status_code == 401


async def test_another_tenants_account_does_not_exist(cell: MemoryCell) -> None:
    """Not by login and not by id."""
    for who in ("mia", str(cell.people["mia"].principal.id)):
        asked = {"principal": who, "action": "answer:create", "resource": "tenant"}
        assert (await client(cell, "gus").post(PATH, json=asked)).status_code == 404


async def test_a_member_is_refused(cell: MemoryCell) -> None:
    """Reading policies is for administrators and auditors."""
    asked = {"principal": "mia", "action": "answer:create", "resource": "tenant"}
    assert (await client(cell, "mia").post(PATH, json=asked)).status_code == 403


async def test_an_auditor_is_told_why_and_no_title(cell: MemoryCell) -> None:
    """Ids, attributes and the text of the policy."""
    ada = await cell.caller("ada")
    board = await cell.library.collection(ada, "board")
    document = (await cell.library.documents(ada, board.id)).documents[0]
    asked = {"principal": "mia", "action": "document:read", "resource": f"document:{document.id}"}
    answered = await client(cell, "olaf").post(PATH, json=asked)
    told = answered.json()
    assert (answered.status_code, told["permitted"], told["policies"]) == (200, False, [])
    (candidate,) = told["candidates"]
    assert candidate["unmet"][0] == {
        "kind": "when",
        "text": "{ resource.classification <= principal.clearance }",
        "values": {"resource.classification": 3, "principal.clearance": 2},
        "failed": False,
    }
    assert (candidate["policy"]["id"], candidate["policy"]["file"]) == ("member-documents", "members.cedar")
    assert document.title.title not in answered.text


async def test_what_is_not_valid_is_a_problem_that_says_what(cell: MemoryCell) -> None:
    """An unknown action, an unknown member, and another content type."""
    http = client(cell, "ada")
    asked = {"principal": "mia", "action": "document:eat", "resource": "tenant"}
    assert (await http.post(PATH, json=asked)).status_code == 400
    assert (await http.post(PATH, json={**asked, "action": "document:read", "title": "x"})).status_code == 400
    assert (await http.post(PATH, data=asked)).status_code == 415
