"""Templates, and what every page is given: words, appearance, and the policy that lets it run its own script only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from litestar.response import Redirect

from domicile.web.authentication import Visitor
from domicile.web.cell import ServedCell
from domicile.web.headers import PAGE_POLICY
from domicile.web.pages.words import preferred_language, words_in
from domicile.web.problems import Problem

THEME_COOKIE = "domicile_theme"
THEMES = ("auto", "light", "dark")
_TEMPLATES = Path(__file__).parent.parent / "templates"

_environment = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)

PageRequest = Request[Any, Any, Any]


def page(request: PageRequest, template: str, *, status: int = 200, **context: Any) -> Response[str]:
    """The template with what every page has: ``w`` (words), ``language``, ``theme``, ``visitor`` and ``cell_region``."""
    language = language_of(request)
    visitor: Visitor | None = request.scope.get("user")
    cell: ServedCell = request.app.state.cell
    html = _environment.get_template(template).render(
        w=words_in(language),
        language=language,
        theme=theme_of(request),
        visitor=visitor,
        cell_region=cell.region.name,
        here=request.url.path,
        **context,
    )
    headers = {"content-security-policy": PAGE_POLICY, "vary": "Accept-Language, Cookie", "content-language": language}
    return Response(html, status_code=status, media_type="text/html", headers=headers)


def language_of(request: PageRequest) -> str:
    return preferred_language(request.headers.get("accept-language", ""))


def theme_of(request: PageRequest) -> str:
    theme = request.cookies.get(THEME_COOKIE, "")
    return theme if theme in THEMES else THEMES[0]


def error_page(request: PageRequest, problem: Problem) -> Response[Any]:
    """The problem in words; a visitor who is not signed in is sent to do that first."""
    if problem.status == 401 and request.method == "GET":
        following = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return Redirect("/login", status_code=303, query_params=None if following == "/" else {"next": following})
    words = words_in(language_of(request))
    response = page(
        request,
        "error.html",
        status=problem.status,
        title=_title(words, problem),
        sentence=_sentence(words, problem),
        rule=", ".join(str(each) for each in _policies(problem)),
        request_id=request.scope["state"]["request_id"],
    )
    response.headers.update(problem.headers)
    return response


def local_path(text: str) -> str:
    """The path to go to after signing in; anything that could lead to another site becomes the start page."""
    parts = urlsplit(text)
    plain = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if plain and not parts.scheme and not parts.netloc else "/"


def _title(words: Mapping[str, str], problem: Problem) -> str:
    if problem.status == 403:
        return words["state.refused"]
    return words["state.expired"] if problem.status == 401 else words["state.failed"]


def _sentence(words: Mapping[str, str], problem: Problem) -> str:
    """Words of the catalogue where it has some for the problem, else those for its family."""
    if f"problem.{problem.slug}" in words:
        return words[f"problem.{problem.slug}"]
    if problem.status == 403:
        return words["state.refused.text"]
    if problem.status in (503, 504, 507):
        return words["problem.unavailable"]
    return words["problem.internal"] if problem.status >= 500 else f"{problem.detail} {problem.hint}"


def _policies(problem: Problem) -> list[object]:
    policies = problem.members.get("policies")
    return policies if isinstance(policies, list) else []
