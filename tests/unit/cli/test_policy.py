"""``domicile policy``, on files alone."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from tests.fakes.policy import shipped_bundle
from tests.fakes.signed_policies import copied
from typer.testing import CliRunner

from domicile.cli.main import app
from domicile.domain.errors import ConfigurationError, PolicyInvalid

RUN = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied(tmp_path / "policies")


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


def test_policies_are_signed_and_checked_with_the_key_that_was_printed(folder: Path, tmp_path: Path) -> None:
    """The private half is its owner's only, and nothing of it is printed."""
    place = tmp_path / "policy.key"
    made = RUN.invoke(app, ["policy", "keygen", str(place), "--json"])
    key = json.loads(made.output)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    secret = place.read_text().splitlines()[1]
    signed = RUN.invoke(app, ["policy", "sign", str(folder), "--key", str(place)])
    assert signed.output == f"Signed with key {key['key_id']}. Digest: {shipped_bundle().digest}.\n"
    checked = RUN.invoke(app, ["policy", "check", str(folder), "--key", key["public_key"]])
    assert f"Signed by key {key['key_id']}." in checked.output
    told = json.loads(RUN.invoke(app, ["policy", "check", str(folder), "--key", key["public_key"], "--json"]).output)
    assert (told["signed_by"], told["digest"]) == (key["key_id"], shipped_bundle().digest)
    again = json.loads(RUN.invoke(app, ["policy", "sign", str(folder), "--key", str(place), "--json"]).output)
    assert (again["key_id"], again["digest"]) == (key["key_id"], shipped_bundle().digest)
    assert all(secret not in each.output for each in (made, signed, checked))


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """It may be the only one that cells trust."""
    place = str(tmp_path / "policy.key")
    first = RUN.invoke(app, ["policy", "keygen", place])
    assert first.exit_code == 0
    assert "DOMICILE_POLICY_SIGNERS" in first.output
    assert isinstance(RUN.invoke(app, ["policy", "keygen", place]).exception, ConfigurationError)


def test_a_check_with_a_key_needs_its_signature(folder: Path, tmp_path: Path) -> None:
    """Unsigned, by another key, and where what was given is no key; one of several keys is enough."""
    keys = [json.loads(RUN.invoke(app, ["policy", "keygen", str(tmp_path / each), "--json"]).output) for each in ("a", "b")]
    mine, other = (each["public_key"] for each in keys)
    assert isinstance(RUN.invoke(app, ["policy", "check", str(folder), "--key", mine]).exception, PolicyInvalid)
    assert RUN.invoke(app, ["policy", "sign", str(folder), "--key", str(tmp_path / "a")]).exit_code == 0
    assert isinstance(RUN.invoke(app, ["policy", "check", str(folder), "--key", other]).exception, PolicyInvalid)
    assert isinstance(RUN.invoke(app, ["policy", "check", str(folder), "--key", "x"]).exception, ConfigurationError)
    assert RUN.invoke(app, ["policy", "check", str(folder), "--key", other, "--key", mine]).exit_code == 0


def test_cases_are_decided_while_policies_are_being_written(folder: Path, tmp_path: Path) -> None:
    """Tested first and signed then: an old signature does not stand in the way of the cases, only of a cell."""
    assert RUN.invoke(app, ["policy", "keygen", str(tmp_path / "key")]).exit_code == 0
    assert RUN.invoke(app, ["policy", "sign", str(folder), "--key", str(tmp_path / "key")]).exit_code == 0
    (folder / "members.cedar").write_text((folder / "members.cedar").read_text() + "// a remark\n")
    assert RUN.invoke(app, ["policy", "test", str(folder)]).exit_code == 0
    assert isinstance(RUN.invoke(app, ["policy", "check", str(folder)]).exception, PolicyInvalid)
