"""``domicile policy``, on files alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.fakes.policy import POLICIES, shipped_bundle
from typer.testing import CliRunner

from domicile.cli.main import app
from domicile.domain.errors import ConfigurationError, PolicyInvalid

RUN = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(POLICIES, tmp_path / "policies"))


def test_the_shipped_policies_are_in_order_and_every_one_is_touched() -> None:
    """Nothing to say, exit status 0, and the digest that decisions will carry."""
    checked, tested = RUN.invoke(app, ["policy", "check"]), RUN.invoke(app, ["policy", "test", "--json"])
    assert (checked.exit_code, tested.exit_code) == (0, 0)
    assert shipped_bundle().digest in checked.output
    told = json.loads(tested.output)
    assert (told["failed"], told["untouched"]) == ([], [])
    assert told["cases"] > 80


def test_a_policy_that_changes_a_decision_fails_its_case_by_name(folder: Path) -> None:
    """And a policy that no case is determined by is named as untouched."""
    never = 'forbid (principal, action == Action::"search:create", resource) when { principal.clearance > 9 };'
    (folder / "idle.cedar").write_text(f'@id("idle")\n{never}\n')
    added = '@id("nobody-searches")\nforbid (principal, action == Action::"search:create", resource);\n'
    (folder / "mine.cedar").write_text(added)
    tested = RUN.invoke(app, ["policy", "test", str(folder)])
    assert tested.exit_code == 1
    assert "denied by nobody-searches, expected permitted by member-questions" in tested.output
    assert "untouched idle." in tested.output


def test_what_cannot_be_loaded_is_an_error_in_a_sentence(folder: Path, tmp_path: Path) -> None:
    """A broken policy, a broken case, and a folder that is none."""
    (folder / "cases" / "members.yaml").write_text("- name: half")
    assert isinstance(RUN.invoke(app, ["policy", "test", str(folder)]).exception, PolicyInvalid)
    (folder / "members.cedar").write_text("permit (")
    assert isinstance(RUN.invoke(app, ["policy", "check", str(folder)]).exception, PolicyInvalid)
    assert isinstance(RUN.invoke(app, ["policy", "check", str(tmp_path)]).exception, ConfigurationError)


def test_a_policy_that_does_not_compile_is_named_with_its_line_and_what_to_write_instead(folder: Path) -> None:
    """Whatever group it is for: nobody has to ask first."""
    (folder / "own.cedar").write_text(
        """// Our own rules.
@id("board-abroad")
permit (principal, action == Action::"document:read", resource is Document)
when { principal in Group::"5b1d0d0e-0000-4000-8000-000000000001" }
when {
  resource.region like "eu-*"
};
"""
    )
    refused = RUN.invoke(app, ["policy", "check", str(folder)]).exception
    assert isinstance(refused, PolicyInvalid)
    assert "'board-abroad'" in str(refused)
    assert "'like' on resource.region (own.cedar, line 6)" in str(refused)
    assert '["eu-de", "eu-fr"].contains(resource.region)' in refused.advice
