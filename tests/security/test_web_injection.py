"""Attacks by content: documents, their names, questions and models that try to become markup, script or headers."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from tests.fakes.cell import MemoryCell, browser, client, csrf_token, open_memory_cell, populate
from tests.fakes.generator import ScriptedGenerator

from domicile.web.headers import PAGE_POLICY

_BLNS = Path(__file__).parents[3] / "shared" / "data" / "security" / "blns"
_OWN = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{7*7}}{% raw %}",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    "</blockquote></li><script src=//evil.example></script>",
    "' autofocus onfocus='alert(1)",
    "\u202eright to left\u202c",
]


def _hostile_texts() -> list[str]:
    """Our own, and the list of naughty strings where it is there."""
    found = list(_BLNS.rglob("*.json")) if _BLNS.is_dir() else []
    naughty = [text for path in found for text in json.loads(path.read_text("utf-8")) if isinstance(text, str)]
    return _OWN + [text for text in naughty if text.strip() and "\x00" not in text]


HOSTILE = _hostile_texts()
#: Tags of a page of ours that no text could have made: those of scripts name our files.
_SCRIPT = re.compile(r"<script(?! type=\"module\" src=\"/static/[a-z]+\.js\"></script>)", re.IGNORECASE)
_HANDLER = re.compile(r"<[a-z][^>]*\son[a-z]+\s*=", re.IGNORECASE)
_OUTSIDE = re.compile(r"(?:src|href|action)\s*=\s*[\"']?\s*(?:https?:|//|javascript:|data:)", re.IGNORECASE)


def _without_escaped(page: str) -> str:
    """The page with what is safely within quotes or escaped taken out, so that only real tags can match."""
    return re.sub(r"&(?:lt|gt|amp|#34|#39|quot);", "", page)


def _is_clean(page: str) -> bool:
    tags = "".join(re.findall(r"<[^>]*>", _without_escaped(page)))
    unquoted = re.sub(r"\"[^\"]*\"", lambda match: match[0] if match[0].startswith(('"/', '"http', '"j', '"d')) else '""', tags)
    return not (_SCRIPT.search(tags) or _HANDLER.search(unquoted) or _OUTSIDE.search(tags))


@pytest_asyncio.fixture
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    async with open_memory_cell(tmp_path, max_document_bytes=1 << 20, max_documents_per_request=200) as made:
        await populate(made)
        yield made


def test_the_detector_finds_what_it_looks_for() -> None:
    """A check that never fails would prove nothing."""
    assert not _is_clean("<p><script>alert(1)</script>")
    assert not _is_clean('<img src="x" onerror=alert(1)>')
    assert not _is_clean('<a href="javascript:alert(1)">')
    assert not _is_clean('<img src="https://evil.example/p.png">')
    assert _is_clean('<a href="/documents/1">&lt;script&gt; onerror= <input value="a onfocus=b"></a>')


async def test_hostile_documents_stay_words_on_every_page(cell: MemoryCell) -> None:
    """As title, heading, text and source path: in the list, in an answer without script, and in the document itself."""
    documents = {
        f"x/{n}-{re.sub('[^ -~]', '_', text)[:80]}.md": f"# Zebra {text}\n\nThe zebra number is {n}: {text}\n"
        for n, text in enumerate(HOSTILE[:150])
    }
    ids = await cell.ingest("ada", "hostile", documents)
    http = await browser(cell, "ada")
    form = {"csrf_token": await csrf_token(http), "question": "What is the zebra number?"}
    pages = [await http.get("/"), await http.post("/", data=form)]
    pages += [await http.get(f"/documents/{each}?passage=0-60") for each in ids[:40]]
    for page in pages:
        assert page.status_code == 200
        assert page.headers["content-security-policy"] == PAGE_POLICY
        assert _is_clean(page.text), page.url


async def test_hostile_questions_stay_words_on_the_page_and_in_the_history(cell: MemoryCell) -> None:
    """The question is shown again, and becomes the conversation's title."""
    http = await browser(cell, "ada")
    token = await csrf_token(http)
    for text in HOSTILE[:25]:
        answered = await http.post("/", data={"csrf_token": token, "question": f"leave {text}"})
        assert answered.status_code in (200, 400)
        assert _is_clean(answered.text), text
    assert _is_clean((await http.get("/")).text)


async def test_a_hostile_model_stays_words(tmp_path: Path) -> None:
    """Its answer, and its name, as it is stored and shown again."""
    generator = ScriptedGenerator(*(f"{text} [1]\n\n" for text in HOSTILE[:60]))
    generator.name = '"><script>alert(1)</script>'
    async with open_memory_cell(tmp_path, generator=generator) as cell:
        await populate(cell)
        http = await browser(cell, "mia")
        page = await http.post("/", data={"csrf_token": await csrf_token(http), "question": "How many days of leave?"})
        assert page.status_code == 200
        assert _is_clean(page.text)
        conversation = re.search(r'name="conversation_id" value="([^"]+)"', page.text)
        assert conversation
        assert _is_clean((await http.get(f"/conversations/{conversation[1]}")).text)


async def test_file_names_cannot_add_headers(cell: MemoryCell) -> None:
    """Line breaks, quotes and semicolons in a source path end up escaped in one header."""
    names = [
        'a"; filename="evil.exe',
        "a\r\nSet-Cookie: stolen=1\r\n\r\n<html>",
        "a\nb",
        "../../etc/passwd",
        "\u202egpj.exe",
        "é.md",
    ]
    ids = await cell.ingest("ada", "names", {name: f"# N\n\nText {n}." for n, name in enumerate(names)})
    for id_ in ids:
        answered = await client(cell, "ada").get(f"/v1/documents/{id_}/content?original=true")
        disposition = answered.headers["content-disposition"]
        assert answered.status_code == 200
        assert "set-cookie" not in answered.headers
        assert disposition.startswith('attachment; filename="')
        assert disposition.count('"') == 2
        assert "/" not in disposition.split("filename*=")[0]


async def test_an_original_that_is_a_page_cannot_act_as_one(cell: MemoryCell) -> None:
    """An HTML document is a download, never sniffed, and in a sandbox without script if a browser shows it all the same."""
    (id_,) = await cell.ingest("ada", "pages", {"evil.html": "<script>alert(document.cookie)</script>"})
    answered = await client(cell, "ada").get(f"/v1/documents/{id_}/content?original=true")
    assert answered.headers["content-disposition"].startswith("attachment")
    assert answered.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert answered.headers["x-content-type-options"] == "nosniff"


async def test_hostile_text_in_queries_never_breaks_the_service(cell: MemoryCell) -> None:
    """Each is answered or refused; none is an error of ours."""
    http = client(cell, "mia")
    for text in HOSTILE[:120]:
        answered = await http.post("/v1/search", json={"query": text})
        assert answered.status_code in (200, 400), text
        assert (await http.get("/v1/collections/" + re.sub(r"[^\w-]", "_", text)[:50])).status_code in (200, 404)
