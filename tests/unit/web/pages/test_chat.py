"""The chat without script."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fakes.cell import MemoryCell, browser, client, csrf_token, open_memory_cell, populate
from tests.fakes.generator import ScriptedGenerator

from domicile.domain.errors import ModelUnavailable

QUESTION = "How many days of paid annual leave does every employee have a year?"


async def test_an_anonymous_question_is_refused(cell: MemoryCell) -> None:
    """Nothing is answered before signing in."""
    answered = await client(cell, None, Accept="text/html").post("/", data={"question": QUESTION})
    assert answered.status_code == 401
    assert "30 days" not in answered.text


async def test_another_tenants_conversation_does_not_exist(cell: MemoryCell) -> None:
    """Neither to read, nor to go on with, nor to delete."""
    asked = await client(cell, "gil").post("/v1/answers", json={"question": "What does Globex build in Lyon?"})
    path = f"/conversations/{asked.json()['conversation_id']}"
    http = await browser(cell, "mia")
    token = await csrf_token(http)
    form = {"csrf_token": token, "question": QUESTION, "conversation_id": asked.json()["conversation_id"]}
    for answered in (
        await http.get(path),
        await http.post(f"{path}/delete", data={"csrf_token": token}),
        await http.post("/", data=form),
    ):
        assert answered.status_code == 404
        assert "Globex" not in answered.text


async def test_an_auditor_is_told_that_asking_is_not_part_of_the_role(cell: MemoryCell) -> None:
    """With a way to sign out, and no question box."""
    page = await (await browser(cell, "olaf")).get("/")
    assert page.status_code == 403
    assert "not part of your role" in page.text
    assert 'action="/logout"' in page.text
    assert 'name="question"' not in page.text


async def test_the_start_page_shows_who_one_is_and_what_one_can_ask(cell: MemoryCell) -> None:
    """Collections to choose from, clearance, region, and questions to try."""
    page = (await (await browser(cell, "mia")).get("/")).text
    assert 'value="handbook" checked' in page
    assert "Mia" in page
    assert "confidential" in page
    assert "eu-de" in page
    assert len(re.findall(r'class="example"', page)) >= 1


async def test_a_question_is_answered_whole_with_citations_that_open_their_passage(cell: MemoryCell) -> None:
    """The link leads to the document with the cited words marked, and from there back."""
    http = await browser(cell, "mia")
    page = (await http.post("/", data={"csrf_token": await csrf_token(http), "question": QUESTION})).text
    assert "30 days" in page
    href = re.search(r'class="citation" href="([^"]+)"', page)
    assert href
    opened = (await http.get(href[1].replace("&amp;", "&").partition("#")[0])).text
    assert re.search(r'<mark id="passage">[^<]*30 days', opened)
    back = re.search(r'class="quiet back" href="([^"]+)"', opened)
    assert back
    conversation, _, anchor = back[1].partition("#")
    earlier = (await http.get(conversation)).text
    assert f'id="{anchor}"' in earlier
    assert QUESTION in earlier


async def test_a_conversation_goes_on_and_is_deleted(cell: MemoryCell) -> None:
    """The second answer stands below the first; deleted, the conversation is gone from the history."""
    http = await browser(cell, "mia")
    token = await csrf_token(http)
    first = (await http.post("/", data={"csrf_token": token, "question": QUESTION})).text
    conversation_id = re.search(r'name="conversation_id" value="([^"]+)"', first)
    assert conversation_id
    form = {"csrf_token": token, "question": "What is the per diem?", "conversation_id": conversation_id[1]}
    second = (await http.post("/", data=form)).text
    assert second.index(QUESTION) < second.index("28 euros")
    path = f"/conversations/{conversation_id[1]}"
    assert (await http.post(f"{path}/delete", data={"csrf_token": token})).status_code == 303
    assert (await http.get(path)).status_code == 404


async def test_only_the_chosen_collections_are_searched(cell: MemoryCell) -> None:
    """One without an answer says so, and what was searched."""
    http = await browser(cell, "mia")
    form = {"csrf_token": await csrf_token(http), "question": QUESTION, "collection": "board"}
    page = (await http.post("/", data=form)).text
    assert 'data-state="nothing"' in page
    assert "No answer in the documents" in page
    assert 'value="handbook" checked' not in page


async def test_an_empty_question_is_told_in_words(cell: MemoryCell) -> None:
    """Without script nothing else would stop it."""
    http = await browser(cell, "mia")
    page = await http.post("/", data={"csrf_token": await csrf_token(http), "question": ""})
    assert page.status_code == 400
    assert "Type a question first." in page.text


async def test_a_model_that_is_down_is_told_in_words(tmp_path: Path) -> None:
    """With a way back, and no trace of an error inside."""
    async with open_memory_cell(tmp_path, generator=ScriptedGenerator(failure=ModelUnavailable("at 10.0.0.7"))) as broken:
        await populate(broken)
        http = await browser(broken, "mia")
        page = await http.post("/", data={"csrf_token": await csrf_token(http), "question": QUESTION})
    assert page.status_code == 503
    assert "not available" in page.text
    assert "10.0.0.7" not in page.text
