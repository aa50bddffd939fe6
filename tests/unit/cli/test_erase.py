"""``domicile erase``, on a cell of its own that no service has: the command carries the erasure out itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from domicile.bootstrap.receipts import receipt_key_file
from domicile.cli.main import app
from domicile.config import load_settings
from domicile.domain.errors import CallerError, LegalHold, NotFound, ReceiptInvalid

RUN = CliRunner()


def run(*arguments: str, **options: Any) -> Result:
    return RUN.invoke(app, list(arguments), **options)


@pytest.fixture
def _cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new cell with two tenants; the first has an administrator and a document."""
    monkeypatch.setenv("DOMICILE_DATA_DIR", str(tmp_path / "cell"))
    monkeypatch.setenv("DOMICILE_REGION", "eu-de")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for command in (["init"], *(["tenant", "create", slug, "--name", slug] for slug in ("acme", "globex"))):
        assert run(*command).exit_code == 0
    created = run("user", "create", "ada", "-t", "acme", "--role", "administrator", "--display", "Ada", "--no-password")
    assert created.exit_code == 0, created.output


@pytest.mark.usefixtures("_cell")
def test_a_subject_is_previewed_erased_and_its_receipts_verified(tmp_path: Path) -> None:
    """What is about the person and the account; the receipts verify with the published key, and altered ones do not."""
    seen = run("erase", "subject", "p-4711", "-t", "acme", "--reason", "request-7", "-u", "ada", "--dry-run", "--json")
    assert json.loads(seen.stdout)["accounts"] == 1
    refused = run("erase", "subject", "p-4711", "-t", "acme", "--reason", "request-7", input="n\n")
    assert refused.exit_code == 1
    done = run("erase", "subject", "-", "-t", "acme", "--reason", "request-7", "-u", "ada", "--yes", "--json", input="p-4711\n")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["state"], told["counts"]["account"], len(told["receipts"])) == ("done", 1, 4)
    listed = run("erase", "status", "-t", "acme")
    assert told["id"] in listed.stdout
    assert "ada" not in run("user", "list", "-t", "acme").stdout
    receipts, key = tmp_path / "receipts.json", receipt_key_file(load_settings()).load_or_create().public.text
    receipts.write_text(json.dumps(told["receipts"]), "utf-8")
    verified = run("erase", "verify", str(receipts), "-k", key)
    assert (verified.exit_code, "Valid: signed by cell" in verified.stdout) == (0, True)
    told["receipts"][0]["statement"]["removed"] += 1
    receipts.write_text(json.dumps(told), "utf-8")
    assert isinstance(run("erase", "verify", str(receipts), "-k", key).exception, ReceiptInvalid)
    assert "4711" not in listed.stdout + run("audit", "show", "-t", "acme", "--json").stdout


@pytest.mark.usefixtures("_cell")
def test_a_tenant_is_erased_only_if_it_is_meant() -> None:
    """By its name given twice; a hold on anything in it stops that. What became of it can be asked for afterwards."""
    assert isinstance(run("erase", "tenant", "acme", "--reason", "contract-end").exception, CallerError)
    wrong = run("erase", "tenant", "acme", "--reason", "contract-end", "--yes-erase", "globex")
    assert isinstance(wrong.exception, CallerError)
    assert run("hold", "add", "-t", "acme", "--reference", "matter-1", "--everything").exit_code == 0
    held = run("erase", "tenant", "acme", "--reason", "contract-end", "--yes-erase", "acme")
    assert isinstance(held.exception, LegalHold)
    (hold,) = json.loads(run("hold", "list", "-t", "acme", "--json").stdout)
    assert run("hold", "release", hold["id"], "-t", "acme").exit_code == 0
    done = run("erase", "tenant", "acme", "--reason", "contract-end", "--yes-erase", "acme")
    assert done.exit_code == 0, done.output
    assert "read back from each store, and nothing found" in done.stdout
    slugs = [each["slug"] for each in json.loads(run("tenant", "list", "--json").stdout)]
    assert slugs == ["globex"]
    id_ = done.stdout.split()[1]
    assert json.loads(run("erase", "status", id_, "--json").stdout)["state"] == "done"


@pytest.mark.usefixtures("_cell")
def test_where_approval_is_needed_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator does not approve what the operator asked for."""
    monkeypatch.setenv("DOMICILE_ERASURE_APPROVAL", "true")
    asked = run("erase", "subject", "p-4711", "-t", "acme", "--reason", "request-7", "--json", input="y\n")
    echoed, brace, result = asked.stdout.partition("{")
    assert "documents" not in echoed  # What is asked about goes where no program reads the result.
    told = json.loads(brace + result)
    assert (asked.exit_code, told["state"]) == (0, "requested")
    assert run("erase", "approve", told["id"]).exit_code == 1
    assert json.loads(run("erase", "status", told["id"], "--json").stdout)["state"] == "requested"


@pytest.mark.usefixtures("_cell")
def test_what_is_not_there_is_said() -> None:
    """A document, a tenant, an erasure."""
    nobody = "01a20e91-0895-76f2-beb6-cad2a7dcd024"
    assert isinstance(run("erase", "document", nobody, "-t", "acme", "--reason", "r", "--yes").exception, NotFound)
    assert isinstance(run("erase", "document", nobody, "-t", "nobody", "--reason", "r", "--yes").exception, NotFound)
    assert isinstance(run("erase", "status", nobody).exception, NotFound)
    assert isinstance(run("erase", "status").exception, CallerError)
