"""Signing in and out, and the choice of appearance."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.response import Redirect

from domicile.access.identity import SignedIn
from domicile.domain.actions import Action
from domicile.domain.errors import NotAuthenticated, TooManyAttempts
from domicile.web.authentication import check_same_origin, origin_of
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who
from domicile.web.headers import session_cookie
from domicile.web.pages.rendering import THEME_COOKIE, THEMES, PageRequest, local_path, page
from domicile.web.problems import problem_of

_A_YEAR = 365 * 24 * 3600


@get("/login", include_in_schema=False, sync_to_thread=False)
def sign_in_page(request: PageRequest) -> Response[str]:
    following = local_path(request.query_params.get("next", "/"))
    notice = "login.signed_out" if "out" in request.query_params else ""
    if following != "/":
        notice = "login.needed"
    return page(request, "login.html", following=following, notice=notice, error="", login="")


@post("/login", include_in_schema=False, status_code=303)
async def sign_in(request: PageRequest, cell: Here) -> Response[Any]:
    """Nobody is signed in yet, so that only the request's origin can tell whether it comes from our own form."""
    check_same_origin(request)
    form = await request.form()
    login, password = str(form.get("login", "")), str(form.get("password", ""))
    following = local_path(str(form.get("next", "/")))
    try:
        signed_in = await cell.identity.sign_in(login, password, origin_of(request))
    except (NotAuthenticated, TooManyAttempts) as error:
        words = "login.throttled" if isinstance(error, TooManyAttempts) else "login.wrong"
        problem = problem_of(error)
        response = page(request, "login.html", status=problem.status, following=following, notice="", error=words, login=login)
        response.headers.update(problem.headers)
        return response
    cookies = [_session(signed_in, over_tls=cell.settings.secure_cookies, minutes=cell.settings.session_minutes)]
    return Redirect(following, status_code=303, cookies=cookies)


@post("/logout", include_in_schema=False, status_code=303, opt=decides(Action.SESSION_DELETE))
async def sign_out(visitor: Who, cell: Here) -> Response[Any]:
    if visitor.session is not None:
        await cell.identity.sign_out(visitor.caller, visitor.credential)
    response = Redirect("/login", status_code=303, query_params={"out": "1"})
    over_tls = cell.settings.secure_cookies
    response.set_cookie(
        Cookie(
            key=session_cookie(over_tls=over_tls), value="", path="/", max_age=0, httponly=True, samesite="lax", secure=over_tls
        )
    )
    return response


@post("/theme", include_in_schema=False, status_code=303)
async def choose_theme(request: PageRequest, cell: Here) -> Response[Any]:
    check_same_origin(request)
    form = await request.form()
    theme = str(form.get("theme", ""))
    response = Redirect(local_path(str(form.get("next", "/"))), status_code=303)
    if theme in THEMES:
        over_tls = cell.settings.secure_cookies
        # The page's own script sets it too, hence not HttpOnly; it is no secret.
        response.set_cookie(Cookie(key=THEME_COOKIE, value=theme, path="/", max_age=_A_YEAR, samesite="lax", secure=over_tls))
    return response


def _session(signed_in: SignedIn, *, over_tls: bool, minutes: int) -> Cookie:
    """Lax and not Strict, so that a link to a document from a mail or a ticket finds its reader signed in."""
    return Cookie(
        key=session_cookie(over_tls=over_tls),
        value=signed_in.token,
        path="/",
        max_age=minutes * 60,
        httponly=True,
        samesite="lax",
        secure=over_tls,
    )
