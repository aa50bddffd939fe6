"""``domicile key``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.fakes.provider_files import entry, provider_file
from typer.testing import CliRunner

from domicile.adapters.keys.file_provider import FileKeyProvider
from domicile.cli.main import app
from domicile.domain.errors import DomicileError
from domicile.domain.values import Region

RUN = CliRunner()


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("DOMICILE_DATA_DIR", str(tmp_path / "cell"))
    monkeypatch.setenv("DOMICILE_REGION", "eu-de")
    FileKeyProvider(tmp_path / "cell.keys" / "root.key", Region("eu-de")).create()
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_a_plain_cell_has_one_provider() -> None:
    """Its key file, which serves."""
    shown = RUN.invoke(app, ["key", "providers"])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[1].split() == ["root", "file", "eu-de", "key", "file", "of", "this", "machine", "ok"]


def test_one_that_is_down_is_shown_and_fails_the_command(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So that a script notices; people and programs are told the same."""
    path = provider_file(tmp_path, entry("file", path=str(tmp_path / "acme.key")))
    environment.setenv("DOMICILE_KEY_PROVIDERS_FILE", str(path))
    told = RUN.invoke(app, ["key", "providers", "--json"])
    assert told.exit_code == 1
    states = {each["name"]: (each["state"], bool(each["detail"])) for each in json.loads(told.stdout)}
    assert states == {"root": ("ok", False), "acme": ("key-provider-unavailable", True)}
    assert "There is no root key at" in RUN.invoke(app, ["key", "providers"]).stdout


@pytest.fixture
def _acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new cell with one tenant."""
    monkeypatch.setenv("DOMICILE_DATA_DIR", str(tmp_path / "cell"))
    monkeypatch.setenv("DOMICILE_REGION", "eu-de")
    for command in (["init"], ["tenant", "create", "acme", "--name", "Acme"]):
        assert RUN.invoke(app, command).exit_code == 0


@pytest.mark.usefixtures("_acme")
def test_keys_are_rotated_listed_and_dropped() -> None:
    """A tenant's, every tenant's and the root key; each says how many keys it wrapped anew."""
    assert json.loads(RUN.invoke(app, ["key", "rotate", "-t", "acme", "--json"]).stdout)[0]["tenant"] == "acme"
    assert "acme: 2 data keys" in RUN.invoke(app, ["key", "rotate", "--all-tenants"]).stdout
    listed = json.loads(RUN.invoke(app, ["key", "list", "-t", "acme", "--json"]).stdout)
    assert [each["version"] for each in listed["versions"]] == [1, 2, 3]
    assert (listed["data_keys"], listed["outdated"]) == (2, 0)
    assert "older ones destroyed: 2" in RUN.invoke(app, ["key", "minimum", "3", "-t", "acme"]).stdout
    assert json.loads(RUN.invoke(app, ["key", "rotate", "--root", "root", "--json"]).stdout) == {"renewed": 1}
    assert json.loads(RUN.invoke(app, ["key", "renew", "--json"]).stdout) == {"renewed": 0}


@pytest.mark.usefixtures("_acme")
@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["rotate"], "Say which keys"),
        (["rotate", "-t", "acme", "--all-tenants"], "Say which keys"),
        (["rotate", "-t", "nobody"], "no tenant 'nobody'"),
        (["rotate", "--root", "nobodys"], "no key provider 'nobodys'"),
        (["use", "nobodys", "-t", "acme"], "no key provider 'nobodys'"),
        (["minimum", "4", "-t", "acme"], "no version 4"),
    ],
)
def test_what_is_not_there_is_told(arguments: list[str], wrong: str) -> None:
    """In one sentence, and nothing is rotated."""
    refused = RUN.invoke(app, ["key", *arguments])
    assert isinstance(refused.exception, DomicileError)
    assert wrong in str(refused.exception)
