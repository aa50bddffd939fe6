"""``domicile doctor``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.fakes.policy import shipped_bundle
from tests.fakes.signed_policies import Signer, copied
from typer.testing import CliRunner

from domicile.cli.main import app
from domicile.domain.errors import ResidencyViolation


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Settings of a cell that has not been made yet."""
    monkeypatch.setenv("DOMICILE_DATA_DIR", str(tmp_path / "cell"))
    monkeypatch.setenv("DOMICILE_REGION", "eu-de")
    monkeypatch.setenv("DOMICILE_LLM_URL", "https://user:hunter2@sglang:30000/v1")
    return monkeypatch


def test_it_shows_where_data_goes_before_the_first_start(environment: pytest.MonkeyPatch) -> None:
    """From the settings and policies alone: there is no cell, and no model answers."""
    environment.setenv("DOMICILE_LLM_REGION", "eu-de")
    shown = CliRunner().invoke(app, ["doctor"])
    assert shown.exit_code == 0
    assert "eu-de" in shown.stdout
    (line,) = [line for line in shown.stdout.splitlines() if line.startswith("model")]
    assert line.split()[:5] == ["model", "https://sglang:30000", "eu-de", "content", "allowed"]
    assert line.split()[5:] == ["endpoint-region", "tls", "process-guard"]


def test_it_gives_the_same_to_programs(environment: pytest.MonkeyPatch) -> None:
    """As JSON, without the credential that somebody put into an address."""
    environment.setenv("DOMICILE_LLM_REGION", "eu-de")
    shown = CliRunner().invoke(app, ["doctor", "--json"])
    told = json.loads(shown.stdout)
    assert told["cell_region"] == "eu-de"
    (model,) = [each for each in told["components"] if each["kind"] == "model"]
    assert model == {
        "kind": "model",
        "address": "https://sglang:30000",
        "region": "eu-de",
        "data": ["content"],
        "allowed": True,
        "policies": ["endpoint-region"],
        "confined": "process-guard",
        "way": "tls",
    }
    assert "hunter2" not in shown.stdout


def test_it_shows_who_signed_the_policies(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where somebody has to; otherwise it says that nobody has to."""
    environment.setenv("DOMICILE_LLM_REGION", "eu-de")
    assert "nobody has to sign them" in CliRunner().invoke(app, ["doctor"]).stdout
    assert json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)["policies_signed_by"] is None
    signer = Signer(tmp_path / "policy.key")
    environment.setenv("DOMICILE_POLICY_SIGNERS", signer.key.text)
    environment.setenv("DOMICILE_POLICY_DIR", str(signer.sign(copied(tmp_path / "policies"))))
    assert f"signed by key {signer.key.id}" in CliRunner().invoke(app, ["doctor"]).stdout
    told = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert (told["policies_signed_by"], told["bundle_digest"]) == (signer.key.id, shipped_bundle().digest)


def test_it_fails_with_everything_that_is_wrong(environment: pytest.MonkeyPatch) -> None:
    """The same sentence with which the cell would refuse to start."""
    environment.setenv("DOMICILE_LLM_REGION", "us-va")
    environment.setenv("DOMICILE_OTLP_ENDPOINT", "https://otel:4318")
    shown = CliRunner().invoke(app, ["doctor"])
    assert isinstance(shown.exception, ResidencyViolation)
    assert all(word in str(shown.exception) for word in ("model", "DOMICILE_LLM_REGION", "telemetry", "DOMICILE_OTLP_REGION"))
    assert "hunter2" not in str(shown.exception)
