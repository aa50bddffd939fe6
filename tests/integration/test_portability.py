"""A tenant moves from one cell to another by the commands: real processes, stores, keys and embeddings on both sides."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from tests.integration.test_cli import LEAVE, QUESTION, TRAVEL, Machine, assert_refused, done, run

pytestmark = pytest.mark.slow

SECRET = "# Minutes\n\nThe board buys the quokkaberry farm in the coming year.\n"


def cell(folder: Path, region: str) -> Machine:
    """A new cell with acme, its administrator, its member and a group of one."""
    folder.mkdir()
    where = {"DOMICILE_REGION": region}
    for arguments in (
        ("init",),
        ("tenant", "create", "acme", "--name", "Acme", "--group", "board"),
        ("user", "create", "ada", "-t", "acme", "--display", "Ada", "--role", "administrator", "--group", "board",
         "--clearance", "restricted", "--no-password"),
        ("user", "create", "max", "-t", "acme", "--display", "Max", "--clearance", "restricted", "--no-password"),
    ):  # fmt: skip
        finished = run(folder, *arguments, **where)
        assert finished.returncode == 0, finished.stderr
    keys = [run(folder, "apikey", "create", "-t", "acme", "-u", login, **where).stdout.strip() for login in ("ada", "max")]
    return Machine(folder, *keys)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> tuple[Machine, Machine]:
    """One in Germany with three documents, and an empty one in France."""
    folder = tmp_path_factory.mktemp("cells")
    german, french = cell(folder / "de", "eu-de"), cell(folder / "fr", "eu-fr")
    (german.folder / "docs").mkdir()
    (german.folder / "docs" / "leave.md").write_text(LEAVE)
    (german.folder / "docs" / "travel.md").write_text(TRAVEL)
    (german.folder / "minutes.md").write_text(SECRET)
    done(german.folder, "version")
    handbook = german.run("ingest", "docs", "--tenant", "acme", "--collection", "handbook", "--create")
    assert handbook.returncode == 0, handbook.stderr
    board = german.run(
        "ingest", "minutes.md", "--tenant", "acme", "--collection", "board", "--create", "--groups", "board",
        "--classification", "restricted", "--label", "minutes",
    )  # fmt: skip
    assert board.returncode == 0, board.stderr
    return german, french


def test_a_tenant_moves_with_its_documents_marks_and_limits(machines: tuple[Machine, Machine], tmp_path: Path) -> None:
    """Exported, verified, imported under other keys in another region; found there by who may, and by nobody else."""
    german, french = machines
    fr = {"DOMICILE_REGION": "eu-fr"}
    bundle, key = tmp_path / "acme.zip", tmp_path / "key.json"
    exported = german.json("export", "tenant", "--to", str(bundle))
    assert (exported["kind"], exported["withheld"], len(exported["entries"])) == ("tenant", [], 3 * 3 + 2)
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["acme.zip"]
    key.write_text(done(german.folder, "receipt", "key"))
    verified = german.run("export", "verify", str(bundle), "--key", str(key))
    assert verified.returncode == 0, verified.stderr

    assert_refused(french.run("import", str(bundle), **fr), "no key")
    imported = french.run("import", str(bundle), "--source-key", str(key), "--json", **fr)
    assert imported.returncode == 0, imported.stderr
    told = json.loads(imported.stdout)
    assert (told["source"], told["added"], told["failed"]) == ("eu-de", 3, [])
    again = json.loads(french.run("import", str(bundle), "--source-key", str(key), "--json", **fr).stdout)
    assert (again["added"], again["unchanged"]) == (0, 3)

    found = json.loads(french.run("search", QUESTION, "--json", **fr).stdout)
    assert any("30 days" in each["text"] and each["region"] == "eu-fr" for each in found["passages"])
    shown = json.loads(french.run("search", "quokkaberry farm", "--json", **fr).stdout)
    assert any("quokkaberry" in each["text"] for each in shown["passages"])
    hidden = json.loads(french.run("search", "quokkaberry farm", "--json", key=french.member, **fr).stdout)
    assert not any("quokkaberry" in each["text"] for each in hidden["passages"])
    register = json.loads(run(french.folder, "transfers", "-t", "acme", "--json", **fr).stdout)
    assert {(each["from"], each["to"], each["unit"]) for each in register} == {("eu-de", "eu-fr", "documents")}


def test_a_member_takes_their_own_and_no_more(machines: tuple[Machine, Machine], tmp_path: Path) -> None:
    """And is refused the tenant, which leaves no file."""
    german, _ = machines
    own = german.run("export", "subject", "--me", "--to", str(tmp_path / "max.zip"), "--json", key=german.member)
    assert own.returncode == 0, own.stderr
    assert json.loads(own.stdout)["kind"] == "subject"
    assert_refused(german.run("export", "tenant", "--to", str(tmp_path / "all.zip"), key=german.member))
    assert [each.name for each in tmp_path.iterdir()] == ["max.zip"]
