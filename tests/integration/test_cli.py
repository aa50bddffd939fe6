"""The commands as people run them: real processes over one cell, without a running service and then with one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.policy import POLICIES

pytestmark = pytest.mark.slow

PATIENCE = 180  # seconds until a command that hangs is ended
QUESTION = "How many days of annual leave do employees get?"
LEAVE = (
    "# Leave\n\nEvery employee gets 30 days of annual leave in each calendar year.\n\nUnused days lapse at the end of March.\n"
)
TRAVEL = "# Travel\n\nTravel time is recorded in the time sheet on the day of the journey.\n"


@dataclass(frozen=True, slots=True)
class Machine:
    """A folder with a cell and some documents, and who may ask it. The stories run in the order in which they are written."""

    folder: Path
    administrator: str
    member: str

    def run(self, *arguments: str, key: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return run(self.folder, *arguments, key=self.administrator if key is None else key, **environment)

    def json(self, *arguments: str) -> Any:
        finished = self.run(*arguments, "--json")
        assert finished.returncode == 0, finished.stderr
        return json.loads(finished.stdout)

    def ingest(self) -> tuple[int, dict[str, Any]]:
        finished = self.run("ingest", "docs", "--tenant", "acme", "--collection", "handbook", "--json")
        return finished.returncode, json.loads(finished.stdout)


def surroundings(folder: Path, key: str = "", **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOMICILE_")}
    own = {"DOMICILE_DATA_DIR": str(folder / "cell"), "DOMICILE_REGION": "eu-de", "DOMICILE_LOG_LEVEL": "error"}
    return kept | own | ({"DOMICILE_API_KEY": key} if key else {}) | more


def run(folder: Path, *arguments: str, key: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "domicile.cli", *arguments],
        cwd=folder,
        env=surroundings(folder, key, **environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def done(folder: Path, *arguments: str) -> str:
    finished = run(folder, *arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def assert_refused(finished: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit status 1, one line on what is wrong and one on what to do, and nothing of Python's."""
    assert finished.returncode == 1, finished
    *before, wrong, advice = finished.stderr.strip().splitlines()
    assert all("Ingesting" in line for line in before), finished.stderr
    assert wrong.startswith("Error: ")
    assert advice.endswith(".")
    assert all(word in finished.stderr for word in words), finished.stderr


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> set[int]:
    """Every process below that one, from the kernel's own table."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, border = set(), {pid}
    while border:
        border = {child for child, parent in parents.items() if parent in border}
        found |= border
    return found


def answered(result: dict[str, Any]) -> tuple[Any, ...]:
    """What an answer says and shows, without the ids and times of the one request."""
    return result["text"], [(each["source"], each["text"], each["classification"]) for each in result["passages"]]


def found(result: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(each["source"], each["text"], each["region"]) for each in result["passages"]]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A new cell with a tenant, an administrator, a member and three files, one of which is empty."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "docs" / ".git").mkdir(parents=True)
    for name, text in (("leave.md", LEAVE), ("travel.md", TRAVEL), ("empty.md", ""), (".git/config.md", "hidden")):
        (folder / "docs" / name).write_text(text)
    assert "eu-de" in done(folder, "init")
    done(folder, "tenant", "create", "acme", "--name", "Acme", "--group", "sales")
    done(folder, "user", "create", "ada", "-t", "acme", "--display", "Ada", "--role", "administrator", "--no-password")
    done(folder, "user", "create", "max", "-t", "acme", "--display", "Max", "--group", "sales", "--no-password")
    administrator, member = (done(folder, "apikey", "create", "-t", "acme", "-u", login) for login in ("ada", "max"))
    return Machine(folder, administrator, member)


@pytest.fixture(scope="module")
def alone(machine: Machine) -> dict[str, Any]:
    """What the commands give with no service running: the first ingest, in words, then again, ask and search as JSON."""
    first = machine.run("ingest", "docs", "--tenant", "acme", "--collection", "handbook", "--create")
    return {
        "first": first,
        "again": machine.ingest(),
        "ask": machine.json("ask", QUESTION),
        "search": machine.json("search", QUESTION),
    }


@pytest.fixture(scope="module")
def service(machine: Machine, alone: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """The same cell, served. Started after ``alone``, because it holds the cell."""
    process = subprocess.Popen(
        [sys.executable, "-m", "domicile.cli", "serve", "--port", str(free_port())],
        cwd=machine.folder,
        env=surroundings(machine.folder),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("Serving http://127.0.0.1:")
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_wrong_usage_is_told_from_a_refusal(machine: Machine) -> None:
    """Exit status 2, before anything is opened."""
    assert machine.run("ingest", "nowhere", "--tenant", "acme", "--collection", "handbook").returncode == 2
    assert machine.run("search").returncode == 2


def test_without_a_key_nothing_is_opened(machine: Machine) -> None:
    """The refusal names the variable; a key file that is not there is named."""
    assert_refused(machine.run("ask", QUESTION, key=""), "DOMICILE_API_KEY")
    assert_refused(machine.run("ask", QUESTION, key="", DOMICILE_API_KEY_FILE="/nowhere/key"), "/nowhere/key")


def test_ingest_reports_what_became_of_each_file(alone: dict[str, Any]) -> None:
    """Added and failed with the reason; the bar goes to standard error; a failed file is exit status 1."""
    first = alone["first"]
    assert first.returncode == 1
    assert first.stdout.splitlines()[0] == "2 added, 0 unchanged, 1 failed"
    assert "docs/empty.md" in first.stdout
    assert "[document-empty]" in first.stdout
    assert "Ingesting" in first.stderr
    assert "Traceback" not in first.stderr


def test_ingesting_again_changes_nothing(alone: dict[str, Any]) -> None:
    """The second time everything is unchanged, and the empty file fails as before."""
    status, report = alone["again"]
    assert (status, report["added"], report["unchanged"]) == (1, 0, 2)
    assert [each["source"] for each in report["failed"]] == ["docs/empty.md"]


def test_the_answer_is_in_the_document_that_holds_it(alone: dict[str, Any]) -> None:
    """It cites the source path that was given."""
    assert "30 days" in alone["ask"]["text"]
    assert alone["search"]["passages"][0]["source"] == "docs/leave.md"


def test_a_service_gives_the_same(machine: Machine, alone: dict[str, Any], service: subprocess.Popen[str]) -> None:
    """The same key, documents and answers, whether the command opens the cell or asks who has it open."""
    assert answered(machine.json("ask", QUESTION)) == answered(alone["ask"])
    assert found(machine.json("search", QUESTION)) == found(alone["search"])
    status, report = machine.ingest()
    assert (status, report["added"], report["unchanged"], len(report["failed"])) == (1, 0, 2, 1)
    spoken = machine.run("ask", QUESTION)
    assert "30 days" in spoken.stdout
    assert "docs/leave.md" in spoken.stdout
    assert "xtractive" in spoken.stdout


def test_collections_are_made_and_listed(machine: Machine, service: subprocess.Popen[str]) -> None:
    """By whoever may; a second one of that name is refused."""
    assert machine.run("collection", "create", "contracts").returncode == 0
    assert [each["slug"] for each in machine.json("collection", "list")] == ["contracts", "handbook"]
    assert_refused(machine.run("collection", "create", "contracts"))
    assert_refused(machine.run("collection", "create", "more", key=machine.member))


def test_what_does_not_fit_is_refused(machine: Machine, service: subprocess.Popen[str]) -> None:
    """Another tenant's name, and a collection that is not there, before a file is sent."""
    given = ("ingest", "docs", "--tenant")
    assert_refused(machine.run(*given, "globex", "--collection", "handbook"), "globex")
    assert_refused(machine.run(*given, "acme", "--collection", "unknown"))
    assert_refused(machine.run("search", QUESTION, key="dom_wrong"))


def test_a_second_process_learns_who_holds_the_cell(machine: Machine, service: subprocess.Popen[str]) -> None:
    """Neither another service nor an upgrade starts on the same stores."""
    for command in (("serve", "--port", str(free_port())), ("db", "upgrade")):
        assert_refused(machine.run(*command), str(service.pid), "domicile serve")
    assert machine.run("db", "status").returncode == 0


def test_the_audit_log_shows_what_was_done_and_what_was_refused(machine: Machine, service: subprocess.Popen[str]) -> None:
    """Beside a running service; a table with every column whole, and JSON."""
    entries = machine.json("audit", "show", "-t", "acme", "--last", "500")
    made = {(each["action"], each["outcome"]) for each in entries}
    assert {("answer:create", "permitted"), ("document:create", "permitted"), ("collection:create", "denied")} <= made
    assert [each["position"] for each in entries] == sorted((each["position"] for each in entries), reverse=True)
    assert QUESTION not in json.dumps(entries)
    table = machine.run("audit", "show", "-t", "acme", "--last", "500").stdout
    assert "DENIED" in table
    assert "…" not in table


def test_a_decision_is_explained_with_the_policys_text(machine: Machine, service: subprocess.Popen[str]) -> None:
    """Beside a running service; in words and as JSON."""
    asked = ("-t", "acme", "--principal", "max", "--action", "member:create", "--resource", "tenant")
    told = machine.json("policy", "explain", *asked)
    assert told["permitted"] is False
    unmet = {each["policy"]["id"]: [one["text"] for one in each["unmet"]] for each in told["candidates"]}
    assert unmet["administrator-people"] == ['{ principal.role == "administrator" }']
    words = machine.run("policy", "explain", *asked).stdout
    assert words.startswith("DENIED  member:create on tenant:")
    assert '  not met: when { principal.role == "administrator" }' in words
    assert "administrator-people (administrators.cedar, line " in words
    assert_refused(machine.run("policy", "explain", *asked[:3], "nobody", *asked[4:]), "no such account")


def test_a_change_of_policies_is_tried_on_what_was_asked(machine: Machine, service: subprocess.Popen[str]) -> None:
    """Every document of the searches and answers so far would be refused; with the policies in force nothing changes."""
    folder = shutil.copytree(POLICIES, machine.folder / "candidate")
    assert machine.run("policy", "replay", "--since", "1d", str(folder), "--fail-on-change").returncode == 0
    closed = '@id("closed") forbid (principal, action == Action::"document:read", resource is Document);'
    (folder / "closed.cedar").write_text(closed)
    told = machine.json("policy", "replay", "--since", "1d", "--tenant", "acme", str(folder))
    assert told["changed"] == len(told["changes"]) >= 2
    assert {(each["action"], each["candidate"]) for each in told["changes"]} == {("document:read", False)}
    changed = machine.run("policy", "replay", "--since", "1d", str(folder), "--fail-on-change")
    assert (changed.returncode, "would change." in changed.stdout, "Replaying" in changed.stderr) == (1, True, False)
    assert_refused(machine.run("policy", "replay", "--since", "yesterday", str(folder)), "is no time")
    assert_refused(machine.run("policy", "replay", "--since", "1d", "--until", "2d", str(folder)), "ends before")


def test_a_tenants_policies_are_set_beside_a_running_service(machine: Machine, service: subprocess.Popen[str]) -> None:
    """The service follows; the history keeps every version, and one is written again. SIGHUP does not end the service."""
    text = '@id("closed")\n@reason("Stocktaking.")\nforbid (principal, action == Action::"search:create", resource);\n'
    (machine.folder / "own.cedar").write_text(text)
    set_policies = ("policy", "set", "-t", "acme")
    assert_refused(machine.run(*set_policies), "file", "--restore")
    assert_refused(machine.run(*set_policies, "own.cedar", "--expect", "3"), "Read them again")
    tried = machine.json(*set_policies, "own.cedar", "--dry-run")
    assert machine.run("search", QUESTION).returncode == 0
    view = machine.json(*set_policies, "own.cedar")
    assert (view["version"], view["bundle_digest"], view["tenant"][0]["id"]) == (1, tried["bundle_digest"], "tenant/closed")
    until_searching(machine, refused=True)
    (machine.folder / "none.cedar").write_text("")
    assert machine.run(*set_policies, "none.cedar").returncode == 0
    until_searching(machine, refused=False)
    assert machine.json(*set_policies, "--restore", "1")["text"] == text
    assert machine.json(*set_policies, "none.cedar")["version"] == 4
    service.send_signal(signal.SIGHUP)
    assert [each["version"] for each in machine.json("policy", "history", "-t", "acme")] == [4, 3, 2, 1]
    assert machine.run("policy", "history", "-t", "acme", "--version", "1").stdout == text
    assert "guard-tenant" in machine.run("policy", "show", "-t", "acme").stdout
    until_searching(machine, refused=False)


def until_searching(machine: Machine, *, refused: bool) -> None:
    deadline = time.monotonic() + 60
    while (machine.run("search", QUESTION).returncode != 0) is not refused:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_revoked_key_is_refused(machine: Machine, service: subprocess.Popen[str]) -> None:
    """By the running service, too; other keys go on working."""
    keys = machine.json("apikey", "list", "-t", "acme")
    revoked = next(each for each in keys if machine.member.startswith(each["prefix"]) or each["prefix"] in machine.member)
    assert machine.run("search", QUESTION, key=machine.member).returncode == 0
    assert machine.run("apikey", "revoke", revoked["id"], "-t", "acme").returncode == 0
    deadline = time.monotonic() + 30
    while (refused := machine.run("search", QUESTION, key=machine.member)).returncode == 0 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert_refused(refused)
    assert machine.run("search", QUESTION).returncode == 0


def test_the_service_stops_in_order(machine: Machine, service: subprocess.Popen[str]) -> None:
    """On SIGTERM: exit status 0, no process of its own left behind, and the cell free for the next one."""
    children = descendants(service.pid)
    service.send_signal(signal.SIGTERM)
    assert service.wait(PATIENCE) == 0
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    assert machine.run("db", "upgrade").returncode == 0


def test_a_taken_port_is_told(machine: Machine, service: subprocess.Popen[str]) -> None:
    """Run after the service has stopped: the sentence names the address, the advice another port."""
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert_refused(machine.run("serve", "--port", str(port)), f"127.0.0.1:{port}", "--port")
