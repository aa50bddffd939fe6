"""``domicile key``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.fakes.provider_files import entry, provider_file
from typer.testing import CliRunner

from domicile.adapters.keys.file_provider import FileKeyProvider
from domicile.cli.main import app
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
