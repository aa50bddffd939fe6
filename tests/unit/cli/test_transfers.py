"""``domicile transfers``, on a cell of its own."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from domicile.access.transfers import Flow
from domicile.bootstrap import open_office
from domicile.cli.main import app
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError, NotFound
from domicile.domain.transfers import Unit
from domicile.domain.values import Region
from domicile.policy.regions import DataKind
from domicile.policy.request import EndpointResource

RUN = CliRunner()
HOME, LYON = Region("eu-de"), Region("eu-fr")
COLUMNS = "time (UTC)", "what", "from", "to", "component", "amount", "legal basis", "reference", "who"


async def register(*kinds: DataKind) -> None:
    async with open_office() as office:
        caller = await office.operator("acme")
        for number, kind in enumerate(kinds):
            flow = Flow(HOME, LYON, kind, number, Unit.PASSAGES, "model")
            await office.transfers.require(caller, flow, Action.ENDPOINT_USE, EndpointResource("model", "mistral", LYON))


@pytest.fixture
def _cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new cell with two tenants, of which one had three transfers."""
    monkeypatch.setenv("DOMICILE_DATA_DIR", str(tmp_path / "cell"))
    monkeypatch.setenv("DOMICILE_REGION", "eu-de")
    for command in (["init"], *(["tenant", "create", slug, "--name", slug] for slug in ("acme", "globex"))):
        assert RUN.invoke(app, command).exit_code == 0
    asyncio.run(register(DataKind.CONTENT, DataKind.KEYS, DataKind.CONTENT))


@pytest.mark.usefixtures("_cell")
def test_it_shows_people_and_programs_the_same() -> None:
    """The newest first, and as many as were asked for; reading it is in the audit log."""
    table = RUN.invoke(app, ["transfers", "-t", "acme", "--last", "2"])
    assert table.exit_code == 0, table.output
    heading, *rows = table.stdout.splitlines()
    assert all(column in heading for column in COLUMNS)
    assert ["2 passages" in rows[0], "1 passages" in rows[1], len(rows)] == [True, True, 2]
    assert "No transfer to a third country (GDPR Art. 1(3)) (eu-internal)" in rows[0]
    told = json.loads(RUN.invoke(app, ["transfers", "-t", "acme", "--json"]).stdout)
    assert [(each["kind"], each["from"], each["to"]) for each in told] == [
        ("content", "eu-de", "eu-fr"),
        ("keys", "eu-de", "eu-fr"),
        ("content", "eu-de", "eu-fr"),
    ]
    logged = json.loads(RUN.invoke(app, ["audit", "show", "-t", "acme", "--json"]).stdout)
    assert [each["action"] for each in logged].count("transfer:read") == 2


@pytest.mark.usefixtures("_cell")
def test_it_shows_one_tenants_entries() -> None:
    """Nothing of the other's; a tenant that does not exist is named."""
    assert json.loads(RUN.invoke(app, ["transfers", "-t", "globex", "--json"]).stdout) == []
    assert isinstance(RUN.invoke(app, ["transfers", "-t", "initech"]).exception, NotFound)


@pytest.mark.usefixtures("_cell")
def test_filters_narrow_and_a_table_for_spreadsheets_has_all() -> None:
    """By kind, region and day; with the columns of the interface's own table."""
    written = RUN.invoke(app, ["transfers", "-t", "acme", "--csv", "--kind", "content", "--last", "1"]).stdout
    rows = list(csv.DictReader(io.StringIO(written, newline="")))
    assert [row["amount"] for row in rows] == ["2", "0"]
    for nothing in (["--to", "ch-zh"], ["--from", "eu-fr"], ["--until", "2020-01-01"], ["--since", "2999-01-01T00:00:00"]):
        assert json.loads(RUN.invoke(app, ["transfers", "-t", "acme", "--json", *nothing]).stdout) == []
    assert isinstance(RUN.invoke(app, ["transfers", "-t", "acme", "--from", "Germany"]).exception, CallerError)
    assert RUN.invoke(app, ["transfers", "-t", "acme", "--kind", "gossip"]).exit_code == 2
