"""``domicile hold``, on a cell of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from domicile.cli.main import app
from domicile.domain.errors import CallerError, NotFound

RUN = CliRunner()


@pytest.fixture
def _cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new cell with two tenants."""
    monkeypatch.setenv("DOMICILE_DATA_DIR", str(tmp_path / "cell"))
    monkeypatch.setenv("DOMICILE_REGION", "eu-de")
    for command in (["init"], *(["tenant", "create", slug, "--name", slug] for slug in ("acme", "globex"))):
        assert RUN.invoke(app, command).exit_code == 0


@pytest.mark.usefixtures("_cell")
def test_a_hold_is_placed_listed_and_released() -> None:
    """In one tenant, with an entry of its audit log for each; the subject is named nowhere."""
    added = RUN.invoke(app, ["hold", "add", "-t", "acme", "--reference", "matter-1", "--subject", "p-4711", "--json"])
    assert added.exit_code == 0, added.output
    # An identifier of standard input is in no list of processes.
    read = RUN.invoke(app, ["hold", "add", "-t", "globex", "--reference", "matter-2", "--subject", "-"], input="p-4711\n")
    assert read.exit_code == 0, read.output
    (other,) = json.loads(RUN.invoke(app, ["hold", "list", "-t", "globex", "--json"]).stdout)
    assert RUN.invoke(app, ["hold", "release", other["id"], "-t", "globex"]).exit_code == 0
    hold = json.loads(added.stdout)
    assert (hold["kind"], hold["target"], "subject" in hold) == ("subject", None, False)
    listed = RUN.invoke(app, ["hold", "list", "-t", "acme"]).stdout
    assert "matter-1" in listed
    assert json.loads(RUN.invoke(app, ["hold", "list", "-t", "globex", "--json"]).stdout) == []
    assert RUN.invoke(app, ["hold", "release", hold["id"], "-t", "acme"]).exit_code == 0
    assert isinstance(RUN.invoke(app, ["hold", "release", hold["id"], "-t", "acme"]).exception, NotFound)
    assert json.loads(RUN.invoke(app, ["hold", "list", "-t", "acme", "--json"]).stdout) == []
    assert len(json.loads(RUN.invoke(app, ["hold", "list", "-t", "acme", "--released", "--json"]).stdout)) == 1
    logged = RUN.invoke(app, ["audit", "show", "-t", "acme", "--json"]).stdout
    assert "4711" not in listed + logged
    assert [each["action"] for each in json.loads(logged)].count("hold:write") == 3


@pytest.mark.usefixtures("_cell")
@pytest.mark.parametrize("what", [[], ["--everything", "--collection", "letters"]])
def test_a_hold_keeps_one_thing(what: list[str]) -> None:
    """Neither nothing nor several."""
    assert isinstance(RUN.invoke(app, ["hold", "add", "-t", "acme", "--reference", "m", *what]).exception, CallerError)
