"""Attacks on the sign-in page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fakes.cell import PASSWORD, MemoryCell, browser, client, open_memory_cell, populate

from domicile.web.headers import session_cookie


@pytest_asyncio.fixture
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    async with open_memory_cell(tmp_path) as made:
        await populate(made)
        yield made


async def test_guessing_a_password_is_slowed_down(cell: MemoryCell) -> None:
    """After a few failures even the right one has to wait, in words, and no session was made."""
    http = client(cell, None, Origin="http://testserver", Accept="text/html")
    statuses = [(await http.post("/login", data={"login": "mia", "password": f"guess-{n}"})).status_code for n in range(12)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    held = await http.post("/login", data={"login": "mia", "password": PASSWORD})
    assert (held.status_code, "retry-after" in held.headers) == (429, True)
    assert "Too many failed attempts" in held.text
    assert "set-cookie" not in held.headers


async def test_an_account_that_does_not_exist_is_slowed_down_alike(cell: MemoryCell) -> None:
    """Otherwise the waiting would tell which logins there are."""

    async def statuses(login: str) -> list[int]:
        http = client(cell, None, Origin="http://testserver")
        return [(await http.post("/login", data={"login": login, "password": "no"})).status_code for _ in range(7)]

    assert await statuses("ada") == await statuses("nobody")


async def test_a_session_from_before_signing_in_is_not_adopted(cell: MemoryCell) -> None:
    """A cookie that an attacker planted opens nothing after the victim has signed in."""
    http = client(cell, None, Origin="http://testserver", Accept="text/html")
    http.cookies.set(session_cookie(over_tls=False), "planted")
    answered = await http.post("/login", data={"login": "mia", "password": PASSWORD})
    assert "planted" not in answered.headers["set-cookie"]
    thief = client(cell)
    thief.cookies.set(session_cookie(over_tls=False), "planted")
    assert (await thief.get("/v1/me")).status_code == 401


async def test_every_sign_in_makes_a_token_of_its_own(cell: MemoryCell) -> None:
    """Nobody can compute the next one from theirs."""
    tokens = {dict((await browser(cell, "mia")).cookies)[session_cookie(over_tls=False)] for _ in range(3)}
    assert len(tokens) == 3
    assert min(map(len, tokens)) >= 32


@pytest.mark.parametrize(
    "login", ["' OR 1=1 --", "mia\x00", "\U0001f600" * 400, "<script>alert(1)</script>", "mia\r\nSet-Cookie: a=b", ""]
)
async def test_hostile_logins_are_wrong_logins(cell: MemoryCell, login: str) -> None:
    """Never an error of ours, never a header or a tag of theirs."""
    http = client(cell, None, Origin="http://testserver", Accept="text/html")
    answered = await http.post("/login", data={"login": login, "password": "x"})
    assert answered.status_code in (400, 401)
    assert "<script>alert" not in answered.text
    assert "set-cookie" not in answered.headers


@pytest.mark.parametrize("body", [b"login=%ff%00&password=%ed%a0%80", b"\xff=&&=%", b"login=a&login=b&password=x", b""])
async def test_hostile_forms_are_refused(cell: MemoryCell, body: bytes) -> None:
    """Bytes that are no text, and fields that come twice."""
    headers = {"Origin": "http://testserver", "Content-Type": "application/x-www-form-urlencoded"}
    answered = await client(cell, None, **headers).post("/login", content=body)
    assert answered.status_code in (400, 401)


async def test_the_password_is_nowhere_but_in_the_request(cell: MemoryCell) -> None:
    """Neither in the page, nor in the audit log."""
    http = client(cell, None, Origin="http://testserver", Accept="text/html")
    answered = await http.post("/login", data={"login": "mia", "password": "hunter2-secret"})
    assert "hunter2-secret" not in answered.text
    assert "hunter2-secret" not in str(await cell.audit_log.read(None, limit=1000))
