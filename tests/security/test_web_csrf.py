"""Attacks through a visitor's own browser: another site makes it send requests with the visitor's cookie."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.fakes.cell import PASSWORD, MemoryCell, browser, client, csrf_token, open_memory_cell, populate

EVIL = "https://evil.example"


@pytest_asyncio.fixture
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    async with open_memory_cell(tmp_path) as made:
        await populate(made)
        yield made


async def _conversations(cell: MemoryCell) -> list[Any]:
    return (await client(cell, "ada").get("/v1/conversations")).json()["items"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "http://evil.example?http://testserver"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": EVIL, "Sec-Fetch-Site": "same-origin"},
        {},
    ],
)
async def test_another_site_cannot_write_even_with_the_token(cell: MemoryCell, headers: dict[str, str]) -> None:
    """A leaked token is not enough: the request has to come from a page of ours. Nothing changed."""
    http = await browser(cell, "ada")
    token = await csrf_token(http)
    del http.headers["origin"]
    attack = {**headers, "X-CSRF-Token": token}
    for answered in (
        await http.post("/v1/answers", json={"question": "leave?"}, headers=attack),
        await http.post("/v1/collections", json={"slug": "evil"}, headers=attack),
        await http.post("/", data={"question": "leave?", "csrf_token": token}, headers=attack),
        await http.post("/logout", data={"csrf_token": token}, headers=attack),
    ):
        assert answered.status_code == 403
    assert await _conversations(cell) == []
    assert (await client(cell, "ada").get("/v1/collections/evil")).status_code == 404
    assert (await http.get("/v1/me")).status_code == 200


@pytest.mark.parametrize("token", ["", "wrong", "x" * 10_000, "\u00e4"])
async def test_our_own_origin_is_not_enough_without_the_token(cell: MemoryCell, token: str) -> None:
    """Whatever is sent in its place; nothing changed."""
    http = await browser(cell, "ada")
    answered = await http.post("/", data={"question": "leave?", "csrf_token": token})
    assert answered.status_code == 403
    deleted = await http.delete("/v1/documents/00000000-0000-0000-0000-000000000000")
    assert deleted.status_code == 403
    assert await _conversations(cell) == []


async def test_the_token_of_another_session_is_worth_nothing(cell: MemoryCell) -> None:
    """An attacker has an account too, and a token for it."""
    attacker, victim = await browser(cell, "mia"), await browser(cell, "ada")
    stolen = await csrf_token(attacker)
    assert (await victim.post("/logout", data={"csrf_token": stolen})).status_code == 403
    assert (await victim.get("/v1/me")).status_code == 200


async def test_a_form_cannot_pretend_to_be_json(cell: MemoryCell) -> None:
    """The one way to post JSON across sites without asking first is to call it plain text."""
    http = await browser(cell, "ada")
    headers = {"X-CSRF-Token": await csrf_token(http), "Content-Type": "text/plain"}
    answered = await http.post("/v1/collections", content=b'{"slug": "evil"}', headers=headers)
    assert answered.status_code == 415
    assert (await client(cell, "ada").get("/v1/collections/evil")).status_code == 404


@pytest.mark.parametrize("headers", [{"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {}])
async def test_another_site_cannot_sign_a_visitor_in(cell: MemoryCell, headers: dict[str, str]) -> None:
    """Signed in as the attacker, the visitor would type questions into the attacker's history."""
    answered = await client(cell, None, **headers).post("/login", data={"login": "mia", "password": PASSWORD})
    assert answered.status_code == 403
    assert "set-cookie" not in answered.headers


async def test_an_api_key_needs_no_token(cell: MemoryCell) -> None:
    """No browser adds it by itself, so no other site can use it."""
    answered = await client(cell, "ada", Origin=EVIL).post("/v1/answers", json={"question": "How many days of leave?"})
    assert answered.status_code == 200


async def test_reading_across_sites_is_not_allowed_to_scripts(cell: MemoryCell) -> None:
    """No CORS header ever says otherwise, and no page of ours can be framed."""
    http = await browser(cell, "ada")
    answered = await http.get("/v1/me", headers={"Origin": EVIL})
    assert not [name for name in answered.headers if name.startswith("access-control")]
    page = await http.get("/")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
