"""Signing in and out on the pages."""

from __future__ import annotations

from tests.fakes.cell import PASSWORD, MemoryCell, browser, client, csrf_token


async def test_a_visitor_who_is_not_signed_in_is_sent_to_do_that(cell: MemoryCell) -> None:
    """And comes back to where they wanted to go."""
    http = client(cell, None, Accept="text/html", Origin="http://testserver")
    sent = await http.get("/conversations/00000000-0000-0000-0000-000000000000?x=1")
    assert (sent.status_code, sent.headers["location"].split("?")[0]) == (303, "/login")
    form = await http.get(sent.headers["location"])
    assert 'name="next" value="/conversations/00000000-0000-0000-0000-000000000000?x=1"' in form.text
    assert (await http.get("/")).headers["location"] == "/login"


async def test_signing_in_opens_the_page_that_was_wanted(cell: MemoryCell) -> None:
    """But never one of another site."""
    http = client(cell, None, Accept="text/html", Origin="http://testserver")
    for wanted, opened in (("/documents/x", "/documents/x"), ("//evil.example", "/"), ("https://evil.example", "/")):
        answered = await http.post("/login", data={"login": "mia", "password": PASSWORD, "next": wanted})
        assert (answered.status_code, answered.headers["location"]) == (303, opened)


async def test_a_wrong_password_and_an_unknown_login_are_told_alike(cell: MemoryCell) -> None:
    """In words, with the login kept and the password not."""
    http = client(cell, None, Accept="text/html", Origin="http://testserver")
    pages = []
    for login in ("ada", "nobody"):
        answered = await http.post("/login", data={"login": login, "password": "wrong-password"})
        assert answered.status_code == 401
        assert "Login or password is not right" in answered.text
        assert "wrong-password" not in answered.text
        assert "set-cookie" not in answered.headers
        pages.append(answered.text.replace(f'value="{login}"', ""))
    assert pages[0] == pages[1]


async def test_signing_out_ends_the_session_everywhere(cell: MemoryCell) -> None:
    """The cookie is taken back, and a copy of it opens nothing any more."""
    http = await browser(cell, "mia")
    copy = dict(http.cookies)
    left = await http.post("/logout", data={"csrf_token": await csrf_token(http)})
    assert (left.status_code, left.headers["location"]) == (303, "/login?out=1")
    thief = client(cell, None, Accept="text/html")
    thief.cookies.update(copy)
    assert (await thief.get("/")).status_code == 303
    assert "signed out" in (await http.get("/login?out=1")).text


async def test_the_appearance_is_kept_in_a_cookie(cell: MemoryCell) -> None:
    """Also for visitors who are not signed in; a choice that does not exist is none."""
    http = client(cell, None, Accept="text/html", Origin="http://testserver")
    chosen = await http.post("/theme", data={"theme": "dark", "next": "/login"})
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/login")
    assert 'data-theme="dark"' in (await http.get("/login")).text
    assert "set-cookie" not in (await http.post("/theme", data={"theme": '"><script>'})).headers
