"""A cell on PostgreSQL that people used, and all that is at rest afterwards: no word of what they stored, asked or are called.

Looked through are dumps of both databases, the data and key folders, a backup of all of it, and the log, by the same scan as
the main job's (UTF-8, UTF-16, JSON, base64, hex, compressed streams). A control shows that it would find them.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from domicile.access.identity import Origin
from domicile.answers.events import AnswerRequest
from domicile.bootstrap import initialise_cell, open_cell
from domicile.config import Settings, load_settings
from domicile.domain.documents import JobState
from domicile.domain.marks import Marking
from domicile.domain.values import Classification, Region, Role
from domicile.ingestion.drafts import Upload
from domicile.retrieval.search import SearchQuery

SCAN = Path(__file__).resolve().parents[3] / "shared" / "tools" / "plaintext_scan.py"
CANARIES = (
    "The Zwickmühle consortium buries nineteen quartz obelisks beneath the observatory every leap year.",
    "Wolframite sinter",
    "archive/zwickmuehle-obelisks.md",
    "How many obelisks does the Zwickmühle consortium bury?",
    "personnel-number-55512",
    "wilhelmina.oberhuber@example",
    "Wilhelmina Oberhuber-Zirbenstein",
)
TEXT, QUESTION = f"# {CANARIES[1]}\n\n{CANARIES[0]}", CANARIES[3]
ORIGIN = Origin(request_id="test", trace_id="")

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(not SCAN.is_file(), reason="the shared tool plaintext_scan.py is not beside the repository"),
]


async def test_nothing_at_rest_can_be_read(
    tmp_path: Path, postgres_url: str, postgres_key_store_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in a dump, not in a folder, not in a backup and not in a log."""
    (tmp_path / "secret").write_text(_password(postgres_url))
    settings = load_settings(
        {"DOMICILE_DATABASE_PASSWORD_FILE": str(tmp_path / "secret")},
        data_dir=tmp_path / "cell",
        region="eu-de",
        log_level="debug",
        database_url=_without_password(postgres_url),
        database_region="eu-de",
        key_store_url=_without_password(postgres_key_store_url),
        key_store_region="eu-de",
        key_store_password_file=tmp_path / "secret",
    )
    await _used(settings)
    rest = tmp_path / "rest"
    rest.mkdir()
    (rest / "service.log").write_text("".join(capfd.readouterr()))
    for name, url in (("data", postgres_url), ("keys", postgres_key_store_url)):
        _dump(url, rest / f"{name}.sql", "plain")
        _dump(url, rest / f"{name}.dump", "custom")
    with tarfile.open(rest / "backup.tar", "w") as backup:
        for folder in (settings.data_dir, settings.root_key_path.parent):
            backup.add(folder, folder.name)
    assert "documents" in (rest / "data.sql").read_text("utf-8")
    assert await _found(rest) == ""
    assert await _found(settings.data_dir) == ""
    (rest / "control.md").write_text(TEXT, "utf-8")
    assert "control.md" in await _found(rest)


async def _used(settings: Settings) -> None:
    """Documents about somebody, read, searched and asked by somebody with a name."""
    await initialise_cell(settings)
    async with open_cell(settings, command="test", run_jobs=True) as cell:
        tenant = await cell.administration.create_tenant("acme", "Acme", Region("eu-de"))
        operator = cell.administration.operator_caller(tenant)
        made = await cell.administration.create_user(
            operator, CANARIES[5], CANARIES[6], Role.ADMINISTRATOR, Classification.RESTRICTED, (), "correct horse battery"
        )
        _, key = await cell.administration.create_api_key(operator, made.id, "laptop of Wilhelmina Oberhuber-Zirbenstein")
        caller = await cell.identity.authenticate_key(key, ORIGIN)
        await cell.identity.sign_in(CANARIES[5], "correct horse battery", ORIGIN)
        where = await cell.library.create_collection(caller, "archive")
        marking = Marking(subjects=(CANARIES[4],))
        job = await cell.intake.submit(caller, where.id, [Upload(CANARIES[2], TEXT.encode())], marking=marking)
        async for view in cell.progress.watch(caller, job.id):
            last = view
        assert (last.state, last.added) == (JobState.DONE, 1)
        found = await cell.search.search(caller, SearchQuery(QUESTION))
        assert "nineteen quartz obelisks" in found.passages[0].chunk.text
        answer = [event async for event in cell.answers.answer(caller, AnswerRequest(QUESTION))]
        assert len(answer) > 2
        assert (await cell.conversations.list(caller))[0].title == QUESTION


async def _found(folder: Path) -> str:
    """What the scan finds of the canaries below the folder; empty if nothing."""
    command = [sys.executable, str(SCAN), str(folder), *(part for each in CANARIES for part in ("--canary", each))]
    scan = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert scan.returncode in {0, 1}, scan.stderr
    return "\n".join(line for line in scan.stdout.splitlines() if line.startswith("FOUND"))


def _dump(url: str, path: Path, form: str) -> None:
    command = ["pg_dump", "--format", form, "--file", str(path), _without_password(url).replace("+asyncpg", "")]
    subprocess.run(command, env={**os.environ, "PGPASSWORD": _password(url)}, check=True, capture_output=True)


def _password(url: str) -> str:
    match = re.search(r"://[^:/@]+:([^@]+)@", url)
    assert match is not None
    return match[1]


def _without_password(url: str) -> str:
    return url.replace(f":{_password(url)}@", "@")
