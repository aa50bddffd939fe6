"""Documents made to harm whoever reads them. Each story ends with the service unharmed and the next document read."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domicile.adapters.parsers import confined
from domicile.adapters.parsers.confined import ConfinedParser
from domicile.adapters.parsers.frames import Parsed, encode
from domicile.domain.errors import CallerError, DocumentCorrupt, DocumentEncrypted, ParserLimitExceeded

FORMATS = Path(__file__).resolve().parents[3] / "shared" / "data" / "formats"
SLOW_PDF = FORMATS / "py-pdf-samples" / "009-pdflatex-geotopo" / "GeoTopo-komprimiert.pdf"
needs_formats = pytest.mark.skipif(not FORMATS.is_dir(), reason="The shared collection of file formats is not here.")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Needs what only Linux confines.")


@pytest.fixture
async def parser() -> AsyncIterator[ConfinedParser]:
    """A parser of one process with its usual limits."""
    made = ConfinedParser(processes=1)
    yield made
    await made.close()


async def _still_reads(parser: ConfinedParser) -> None:
    assert (await parser.parse(b"still here", "next.txt")).text == "still here"


def _word_bomb(size: int) -> bytes:
    namespace = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as container:
        body = b'<w:document xmlns:w="' + namespace + b'"><w:body><w:p><w:r><w:t>' + b"bomb " * size
        container.writestr("word/document.xml", body + b"</w:t></w:r></w:p></w:body></w:document>")
    return target.getvalue()


@needs_formats
async def test_every_file_of_the_collection_ends_in_text_or_a_named_error() -> None:
    """Fuzzed, encrypted, malformed and misnamed ones among them: no hang, no other failure, and nothing unstorable."""
    parser = ConfinedParser(processes=2)
    files = [path for path in sorted(FORMATS.rglob("*")) if path.is_file()]

    async def outcome(path: Path) -> str:
        try:
            parsed = await parser.parse(_bytes(path), path.name)
        except CallerError as error:
            return error.slug
        assert parsed.text.strip()
        assert "\x00" not in parsed.text
        parsed.text.encode()
        assert all(0 <= span.start < span.end <= len(parsed.text) for span in parsed.pages)
        return "text"

    outcomes = dict(zip([path.name for path in files], await asyncio.gather(*map(outcome, files)), strict=True))
    await parser.close()
    assert set(outcomes.values()) <= {
        "text",
        "document-empty",
        "document-corrupt",
        "document-encrypted",
        "document-type-unknown",
        "document-type-mismatch",
    }
    assert outcomes["libreoffice-writer-password.pdf"] == "document-encrypted"
    assert outcomes["password_protected.xlsx"] == "document-encrypted"
    assert outcomes["eng_spa_mult.doc"] == "document-type-mismatch"
    assert outcomes["grayscale-image.pdf"] == "document-empty"
    assert sum(outcome == "text" for outcome in outcomes.values()) > 100


@pytest.mark.parametrize("name", ["a.html", "a.docx"])
async def test_a_decompression_bomb_is_stopped(parser: ConfinedParser, name: str) -> None:
    """A hundred and fifty megabytes out of a few hundred kilobytes, and a page nested a hundred thousand deep."""
    content = _word_bomb(30_000_000) if name == "a.docx" else b"<div>" * 100_000 + b"text"
    with pytest.raises(CallerError):
        await parser.parse(content, name)
    await _still_reads(parser)


@needs_formats
async def test_a_document_that_takes_too_much_memory_is_stopped() -> None:
    """The limit is the kernel's, on the address space of the one document."""
    parser = ConfinedParser(memory_bytes=100 << 20, processes=1)
    with pytest.raises(ParserLimitExceeded):
        await parser.parse(_bytes(SLOW_PDF), "a.pdf")
    await parser.close()


@needs_formats
async def test_a_document_that_takes_too_much_processor_time_is_stopped() -> None:
    """And its limit is its own: the documents before and after it have theirs."""
    parser = ConfinedParser(cpu_seconds=1, processes=1)
    with pytest.raises(ParserLimitExceeded):
        await parser.parse(_bytes(SLOW_PDF), "a.pdf")
    await _still_reads(parser)
    await parser.close()


async def test_a_parser_that_hangs_is_killed_with_all_that_it_started() -> None:
    """Stopped in the middle of its work, it never answers; the wall clock ends it."""
    parser = ConfinedParser(wall_seconds=1.5, processes=1)
    await _still_reads(parser)
    pid = _pid(parser)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ParserLimitExceeded):
        await parser.parse(b"text", "a.txt")
    assert not _alive(pid)
    await _still_reads(parser)
    await parser.close()


async def test_a_parser_that_dies_takes_only_its_document_along(parser: ConfinedParser) -> None:
    """As when a hostile file makes the library overwrite its own memory."""
    await _still_reads(parser)
    os.kill(_pid(parser), signal.SIGKILL)
    with pytest.raises(DocumentCorrupt):
        await parser.parse(b"text", "a.txt")
    await _still_reads(parser)


@pytest.mark.parametrize(
    "reply",
    [
        b"\xff" * 20,
        encode(Parsed("text", "text/plain", "title", "en", [(1, 0, 99)]))[4:],
        encode(Parsed("text", "text/plain", "title", "en", [(1, 3, 1)]))[4:],
        encode(Parsed("te\x00xt", "text/plain", "title", "en", []))[4:],
    ],
)
def test_what_a_captured_parser_answers_is_not_believed(reply: bytes) -> None:
    """Malformed frames, offsets outside the text and characters that stores cannot hold are refused."""
    with pytest.raises(DocumentCorrupt):
        confined._parsed(reply)


@linux_only
async def test_the_child_inherits_no_secret_and_sits_in_an_empty_folder(
    monkeypatch: pytest.MonkeyPatch, parser: ConfinedParser
) -> None:
    """Not the environment of the service, not its working directory, not its open files."""
    monkeypatch.setenv("DOMICILE_API_KEY", "a-secret-of-the-service")
    await _still_reads(parser)
    environment, folder, opened = _seen_from_outside(_pid(parser))
    assert b"a-secret-of-the-service" not in environment
    assert _names(folder) in ([], ["kreuzberg-pdfium"])
    assert all(name.startswith(("pipe:", "socket:", "/dev/null")) for name in opened), opened


@linux_only
async def test_closing_the_parser_leaves_no_process_and_no_folder() -> None:
    """Nothing lingers in the temporary directory."""
    parser = ConfinedParser(processes=1)
    await _still_reads(parser)
    pid = _pid(parser)
    _, folder, _ = _seen_from_outside(pid)
    assert _names(folder) is not None
    await parser.close()
    assert not _alive(pid)
    assert _names(folder) is None


@linux_only
async def test_the_child_dies_with_the_service() -> None:
    """Also when the service is killed and can clean nothing up."""
    code = (
        "import asyncio, os\n"
        "from domicile.adapters.parsers.confined import ConfinedParser\n"
        "async def main():\n"
        "    parser = ConfinedParser(processes=1)\n"
        "    await parser.parse(b'text', 'a.txt')\n"
        "    print(parser._idle[0]._process.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    service = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    output, _ = await service.communicate()
    assert await asyncio.to_thread(_ends, int(output))
    survivor = ConfinedParser(processes=1)  # And the next one clears away the folder that was left.
    await _still_reads(survivor)
    await survivor.close()
    assert _folders_of(service.pid) == []


@linux_only
async def test_a_document_cannot_see_another_one(parser: ConfinedParser) -> None:
    """Each is read in a process of its own, forked from one that has never looked into a document."""
    await parser.parse(b"first: canary-of-the-first-tenant", "a.txt")
    pid = _pid(parser)
    await parser.parse(b"second", "b.txt")
    assert _pid(parser) == pid
    assert _children(pid) == []


async def test_a_password_is_asked_for_not_guessed(parser: ConfinedParser) -> None:
    """An encrypted PDF says so; its content is not touched."""
    from reportlab.pdfgen.canvas import Canvas

    target = io.BytesIO()
    canvas = Canvas(target, encrypt="a-password")
    canvas.drawString(72, 700, "hidden")
    canvas.save()
    with pytest.raises(DocumentEncrypted):
        await parser.parse(target.getvalue(), "a.pdf")


async def test_a_cancelled_parse_never_answers_for_another_document(parser: ConfinedParser) -> None:
    """Its process is ended, since the answer would otherwise be read as the next document's."""
    await _still_reads(parser)
    slow = asyncio.create_task(parser.parse(b"<p>x</p>" * 400_000, "slow.html"))
    await asyncio.sleep(0.05)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    await _still_reads(parser)


def _pid(parser: ConfinedParser) -> int:
    return parser._idle[0]._process.pid


def _alive(pid: int) -> bool:
    """Whether it runs; a zombie that nobody has asked after yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _ends(pid: int) -> bool:
    """Waits for it, within reason."""
    for _ in range(500):
        if not _alive(pid):
            return True
        time.sleep(0.02)
    return False


def _folders_of(pid: int) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"domicile-parser-{pid}-*"))


def _bytes(path: Path) -> bytes:
    return path.read_bytes()


def _names(folder: Path) -> list[str] | None:
    """What is in the folder; None when there is no such folder."""
    return [entry.name for entry in folder.iterdir()] if folder.exists() else None


def _children(pid: int) -> list[str]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return listed.read_text().split() if listed.exists() else []


def _seen_from_outside(pid: int) -> tuple[bytes, Path, set[str]]:
    """A process's environment, working directory and open files, as the kernel shows them."""
    process = Path("/proc") / str(pid)
    opened = {str(link.readlink()) for link in (process / "fd").iterdir()}
    return (process / "environ").read_bytes(), (process / "cwd").readlink(), opened
