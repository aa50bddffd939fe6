"""Nothing is contacted that was not declared: the main job runs where there is no network, and every attempt is traced.

Both are independent of the product's own guard: a network namespace is the kernel's, and strace sees native code as well.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

MAIN_JOB = Path(__file__).with_name("main_job.py")
PATIENCE = 600
_CALLS = "trace=connect,sendto,sendmsg,sendmmsg"
_INET = re.compile(r'sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?"([0-9a-fA-F.:]+)"')
_UNIX = re.compile(r'sa_family=AF_UNIX, sun_path=@?"([^"]*)"')
_FAMILY = re.compile(r"sa_family=(AF_\w+)")
#: The C library asks a cache of names and users on the machine itself for whom a process belongs to; there need not be one.
_NAME_CACHE = "/var/run/nscd/socket"


@cache
def alone() -> tuple[str, ...]:
    """The command that starts another one without any network; skips where this system does not let us."""
    for how in (("unshare", "--net"), ("unshare", "--user", "--map-root-user", "--net")):
        if shutil.which("unshare") and subprocess.run([*how, "true"], capture_output=True, check=False).returncode == 0:
            return how
    return ()


@cache
def tracer() -> tuple[str, ...]:
    """The command that traces another one; empty where there is none, or none is permitted."""
    for how in (("strace", "-f", "--seccomp-bpf"), ("strace", "-f")):
        if shutil.which("strace") and subprocess.run([*how, "true"], capture_output=True, check=False).returncode == 0:
            return (*how, "-qq", "-s", "256", "-e", _CALLS)
    return ()


@dataclass(frozen=True, slots=True)
class Contacts:
    """Everything that was connected or sent to, by address."""

    internet: frozenset[tuple[str, int]]
    sockets: frozenset[str]
    families: frozenset[str]

    @classmethod
    def of(cls, trace: Path) -> Contacts:
        text = trace.read_text("utf-8", "replace")
        internet = frozenset((host, int(port)) for port, host in _INET.findall(text))
        return cls(internet, frozenset(_UNIX.findall(text)), frozenset(_FAMILY.findall(text)))


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """The command without a network and under the tracer, as far as this system permits either."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOMICILE_", "HF_"))}
    wrapped = [*alone(), *([*tracer(), "-o", str(folder / "trace")] if tracer() else []), *command]
    return subprocess.run(
        wrapped, cwd=folder, env=kept, capture_output=True, text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Job:
    """The main job, done: what it gave, on which port it was served, and the folder with its trace."""

    results: dict[str, Any]
    port: int
    folder: Path


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    if not alone() and not tracer():
        pytest.skip("Neither a network namespace (unshare --net) nor a trace (strace) is permitted here.")
    folder, port = tmp_path_factory.mktemp("alone"), free_port()
    ran = run(folder, sys.executable, str(MAIN_JOB), str(folder), str(port))
    assert ran.returncode == 0, ran.stderr
    return Job(json.loads(ran.stdout), port, folder)


def test_the_whole_main_job_works_without_any_network(job: Job) -> None:
    """A cell is made, documents are ingested, found and answered from, with a loopback interface and nothing else."""
    if not alone():
        pytest.skip("A network namespace (unshare --net) is not permitted here; the trace is looked at all the same.")
    assert job.results["ingested"]["added"] == 1
    assert any("ferry" in each["text"] for each in job.results["found"]["passages"])
    assert "USD 68" in job.results["answered"]["text"]


def test_nothing_but_the_service_itself_was_contacted(job: Job) -> None:
    """No address, no name server, no proxy and no other process of this machine was so much as tried, by any process of it."""
    if not tracer():
        pytest.skip("strace is not permitted here (Debian: apt-get install strace); the job ran without a network.")
    contacts = Contacts.of(job.folder / "trace")
    print(f"\ncontacted: {sorted(contacts.internet)}, {sorted(contacts.sockets)}, without a network: {bool(alone())}")
    assert contacts.internet == {("127.0.0.1", job.port)}
    assert contacts.sockets <= {_NAME_CACHE}
    assert contacts.families <= {"AF_INET", "AF_UNIX"}


@pytest.mark.parametrize(
    ("attempt", "seen"),
    [
        ("socket.create_connection(('192.0.2.1', 443), 1)", ("192.0.2.1", 443)),
        ("socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.2', 53))", ("192.0.2.2", 53)),
        ("socket.create_connection(('2001:db8::1', 443), 1)", ("2001:db8::1", 443)),
    ],
)
def test_an_attempt_would_have_been_seen(tmp_path: Path, attempt: str, seen: tuple[str, int]) -> None:
    """The test above can fail: what a program tries shows in its trace, whether it gets there or not."""
    if not tracer():
        pytest.skip("strace is not permitted here.")
    code = f"import contextlib, socket\nwith contextlib.suppress(OSError):\n    {attempt}"
    run(tmp_path, sys.executable, "-c", code)
    assert seen in Contacts.of(tmp_path / "trace").internet


def test_a_name_lookup_would_have_been_seen(tmp_path: Path) -> None:
    """It goes to whatever name server the system has, by a socket of its own."""
    if not tracer() or not Path("/etc/resolv.conf").is_file() or "nameserver" not in Path("/etc/resolv.conf").read_text():
        pytest.skip("strace is not permitted here, or the system has no name server.")
    code = "import contextlib, socket\nwith contextlib.suppress(OSError):\n    socket.getaddrinfo('example.invalid', 443)"
    run(tmp_path, sys.executable, "-c", code)
    assert 53 in {port for _, port in Contacts.of(tmp_path / "trace").internet}


SERVING = """
import asyncio, contextlib, json, socket, sys
from pathlib import Path
from domicile.adapters.egress.guard import install
install()
from domicile.bootstrap import initialise_cell, open_cell
from domicile.config import load_settings
settings = load_settings({}, data_dir=Path(sys.argv[1]), region="eu-de", log_level="error")
async def main():
    await initialise_cell(settings)
    async with open_cell(settings, command="test", run_jobs=True) as cell:
        outcome = ""
        try:
            await asyncio.open_connection("192.0.2.1", 443)
        except OSError as error:
            outcome = type(error).__name__
        with contextlib.suppress(OSError):
            socket.getaddrinfo("secret.evil.example", 443)
    from domicile.adapters.db.audit_store import SqlAuditLog
    from domicile.adapters.db.database import SqlDatabase
    store = SqlDatabase(f"sqlite+aiosqlite:///{settings.data_dir / 'domicile.db'}")
    events = [entry.event for entry in await SqlAuditLog(store).read(None)]
    await store.close()
    refused = [each for each in events if each.reason == "egress-undeclared"]
    found = sorted([each.resource, each.outcome, dict(each.detail)["target"]] for each in refused)
    print(json.dumps([outcome, found]))
asyncio.run(main())
"""


def test_a_refused_connection_of_a_running_cell_is_in_its_audit_log(tmp_path: Path) -> None:
    """What a library tries behind everybody's back fails at once, and whoever reads the log learns of it."""
    ran = subprocess.run(
        [sys.executable, "-c", SERVING, str(tmp_path / "cell")], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ran.returncode == 0, ran.stderr
    outcome, found = json.loads(ran.stdout)
    assert outcome == "EgressRefused"
    assert found == [
        ["endpoint:undeclared-connect", "denied", "192.0.2.1"],
        ["endpoint:undeclared-resolve", "denied", "*.evil.example"],
    ]
