"""Which files a folder gives, what they are called, and how they are sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx2
import pytest
from rich.console import Console
from rich.progress import Progress

from domicile.cli import connection, documents
from domicile.cli.documents import Report, _batches, _follow, _source, _unsendable, _unsent, _walk


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a small tree in ``handbook``."""
    for name in ("handbook/b.md", "handbook/a.md", "handbook/travel/time.md", "handbook/.git/config", "handbook/.hidden.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_walked_in_order_without_what_is_hidden(folder: Path) -> None:
    """The same folder always gives the same files in the same order."""
    assert [source for _, source in _walk([Path("handbook")])] == ["handbook/a.md", "handbook/b.md", "handbook/travel/time.md"]


def test_links_are_not_followed(folder: Path) -> None:
    """A link in a folder could lead to a file that nobody meant to give."""
    (folder / "secret.md").write_text("secret")
    (folder / "handbook" / "link.md").symlink_to(folder / "secret.md")
    (folder / "handbook" / "loop").symlink_to(folder)
    assert not [source for _, source in _walk([Path("handbook")]) if "link" in source or "loop" in source]


def test_a_file_that_is_named_is_taken(folder: Path) -> None:
    """Also a hidden one: it was asked for."""
    assert [source for _, source in _walk([Path("handbook/.hidden.md"), Path("handbook/a.md")])] == [
        "handbook/.hidden.md",
        "handbook/a.md",
    ]


def test_a_folder_inside_a_hidden_one_is_walked(folder: Path) -> None:
    """Only what lies below the given folder counts as hidden."""
    assert [source for _, source in _walk([Path("handbook/.git")])] == ["handbook/.git/config"]


@pytest.mark.parametrize(
    ("path", "given", "source"),
    [
        ("handbook/a.md", "handbook", "handbook/a.md"),
        ("./handbook/a.md", "./handbook", "handbook/a.md"),
        ("../handbook/a.md", "../handbook", "handbook/a.md"),
        ("../../x/a.md", "../../x/a.md", "x/a.md"),
        ("/srv/docs/handbook/t/a.md", "/srv/docs/handbook", "handbook/t/a.md"),
        ("/srv/a.md", "/srv/a.md", "a.md"),
        ("/a.md", "/a.md", "a.md"),
    ],
)
def test_the_source_is_the_path_as_it_was_given(path: str, given: str, source: str) -> None:
    """Relative to where the command ran; an absolute path does not tell where the machine keeps things."""
    assert _source(Path(path), Path(given)) == source


def test_batches_keep_every_file_in_order_and_within_bounds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number and by bytes; a file larger than a whole batch goes alone."""
    monkeypatch.setattr(documents, "_BATCH_FILES", 3)
    monkeypatch.setattr(documents, "_BATCH_BYTES", 100)
    sizes = [40, 40, 40, 500, 1, 1, 1, 1]
    files = []
    for number, size in enumerate(sizes):
        path = folder / f"{number}.txt"
        path.write_bytes(b"x" * size)
        files.append((path, path.name))
    batches = list(_batches(files))
    assert [file for batch in batches for file in batch] == files
    assert [[path.stat().st_size for path, _ in batch] for batch in batches] == [[40, 40], [40], [500], [1, 1, 1], [1]]


def test_no_files_are_no_batch() -> None:
    """Nothing is sent for nothing."""
    assert list(_batches([])) == []


def test_a_file_that_cannot_be_sent_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that may not be read, and one whose name is no text; the others go."""
    path = folder / "handbook" / "a.md"
    assert _unsendable(path, "handbook/Übersicht\u202f2.md") == ""
    broken = _unsent(path, "handbook/\udcff.md")
    assert (broken["source"], broken["failure"]) == ("handbook/\\udcff.md", "file-unreadable")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "read" in _unsendable(path, "handbook/a.md")


def test_what_a_job_waits_for_is_said_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, also where there is no bar; then the files are counted as ever."""
    full = {"reason": "storage-full", "detail": "Too little disk space is left.", "hint": "Free some space."}
    states = [
        _job("running", None),
        *[_job("running", full), _job("running", None)] * 2,
        _job("running", {"reason": "embedder-unavailable", "detail": "The model is not available", "hint": "Check it."}),
        _job("done", None, added=1),
    ]
    monkeypatch.setattr(connection, "events", lambda *_, **__: (("progress", state) for state in states))
    report = Report()
    with Progress(console=Console(stderr=True, width=40), disable=True) as progress:
        _follow(httpx2.Client(), _job("queued", None), report, progress, progress.add_task("", total=1), 0)
    said = [line for line in capsys.readouterr().err.splitlines() if line]
    assert said == [
        "Waiting: Too little disk space is left. Free some space.",
        "Waiting: The model is not available. Check it.",
    ]
    assert report.added == 1


def _job(state: str, waiting: dict[str, str] | None, added: int = 0) -> dict[str, Any]:
    counts = {"total": 1, "added": added, "unchanged": 0, "failed": 0}
    return {"id": "1", "state": state, "progress": float(added), "waiting": waiting, "items": [], **counts}
