"""``domicile retention``, on a cell of its own."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.fakes import people
from tests.fakes.stored_documents import stored
from typer.testing import CliRunner

from domicile.adapters.db.database import SqlDatabase
from domicile.cli.main import app
from domicile.domain.errors import AuditFloor, CallerError, ConfigurationError

RUN = CliRunner()


async def fill(folder: Path) -> None:
    """A collection with an old document and a new one."""
    database = SqlDatabase(f"sqlite+aiosqlite:///{folder / 'domicile.db'}")
    async with database.writing() as unit:
        tenant = await unit.tenants.by_slug("acme")
        letters = people.collection("letters", tenant)
        await unit.collections.add(letters)
        for name, days in (("old", 40), ("new", 1)):
            document = stored(people.document(name, tenant, in_collection=letters))
            at = datetime.now(UTC) - timedelta(days=days)
            object.__setattr__(document.version, "created_at", at)
            await unit.documents.publish(document)
        await unit.commit()
    await database.close()


@pytest.fixture
def _cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMICILE_DATA_DIR", str(tmp_path / "cell"))
    monkeypatch.setenv("DOMICILE_REGION", "eu-de")
    for command in (["init"], ["tenant", "create", "acme", "--name", "Acme"]):
        assert RUN.invoke(app, command).exit_code == 0
    asyncio.run(fill(tmp_path / "cell"))


@pytest.mark.usefixtures("_cell")
def test_rules_are_set_tried_and_carried_out() -> None:
    """The dry run tells what the run then does, and the run says it by rule."""
    written = RUN.invoke(
        app, ["retention", "set", "-t", "acme", "documents:letters=30", "conversations=90", "audit=400", "--json"]
    )
    assert written.exit_code == 0, written.output
    assert json.loads(written.stdout)["audit_days"] == 400
    assert "conversations" in RUN.invoke(app, ["retention", "show", "-t", "acme"]).stdout
    tried = json.loads(RUN.invoke(app, ["retention", "run", "-t", "acme", "--dry-run", "--json"]).stdout)
    assert [each["age_days"] for each in tried["items"]] == [40]
    assert json.loads(RUN.invoke(app, ["retention", "preview", "-t", "acme", "--json"]).stdout) == tried
    (rule,) = {each["rule"] for each in tried["items"]}
    done = json.loads(RUN.invoke(app, ["retention", "run", "-t", "acme", "--json"]).stdout)
    assert done == {"removed": {rule: 1}, "held": {}, "denied": {}}
    assert "0 removed" in RUN.invoke(app, ["retention", "run", "-t", "acme"]).stdout
    logged = json.loads(RUN.invoke(app, ["audit", "show", "-t", "acme", "--json"]).stdout)
    assert [each["action"] for each in logged].count("retention:run") == 3


@pytest.mark.usefixtures("_cell")
@pytest.mark.parametrize(
    "wrong", [[], ["documents"], ["letters=30"], ["documents=-1"], ["documents=0"], ["documents=1", "--forever"]]
)
def test_rules_that_cannot_be_are_refused(wrong: list[str]) -> None:
    """And nothing is kept otherwise than before."""
    assert isinstance(RUN.invoke(app, ["retention", "set", "-t", "acme", *wrong]).exception, CallerError | SystemExit)
    assert json.loads(RUN.invoke(app, ["retention", "show", "-t", "acme", "--json"]).stdout)["rules"] == {}


@pytest.mark.usefixtures("_cell")
def test_the_floor_is_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be raised, and is never nothing."""
    monkeypatch.setenv("DOMICILE_AUDIT_RETENTION_FLOOR_DAYS", "500")
    assert isinstance(RUN.invoke(app, ["retention", "set", "-t", "acme", "audit=400"]).exception, AuditFloor)
    monkeypatch.setenv("DOMICILE_AUDIT_RETENTION_FLOOR_DAYS", "0")
    assert isinstance(RUN.invoke(app, ["retention", "show", "-t", "acme"]).exception, ConfigurationError)
