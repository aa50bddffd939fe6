"""The guard of this process: every connection, name lookup and child process that Python makes is checked before it happens.

It is an audit hook of the interpreter (PEP 578), so that no library can go around it by way of Python's own modules, and
nothing can take it out again. What it cannot see are libraries that connect in native code: gRPC (Qdrant), Rust (the S3
client) and libpq (the job queue). Those get their addresses from ``Outbound`` only, and the network policies in ``infra/``
hold them.

Obligations, labelled where they are met:

1. Everything is refused that was not permitted before, whatever kind of socket it is.
2. A name is only looked up if it is permitted: a lookup is itself a message to somebody.
3. An address is permitted only for the ports of the names that it was looked up for.
4. Nothing is started but this program's own child processes.
5. A refusal is kept until somebody has written it down (``access.egress``), and raised as an ``OSError``, which clients handle.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from threading import RLock
from typing import Any

from domicile.adapters.egress.destinations import Destination, canonical, domain_of, numeric
from domicile.ports.egress import Attempt

#: Distinct refusals that are kept before somebody writes them down; more are counted with the last.
_KEPT = 256
#: What a library asks of the system while it is imported, and does without. Refused, but no sign of anything.
_PROBES = frozenset({"file", "uname"})

#: The part of a socket's kind that is not flags (non-blocking, close on exec).
_KIND_OF_SOCKET = 0xF

Resolver = Callable[..., list[tuple[Any, ...]]]


class EgressRefused(PermissionError):
    """A connection that nobody declared. Names no destination: the message ends up in other people's logs."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "Domicile connects to declared components only")


class EgressGuard:
    """What this process may reach. Thread-safe; permits are only added, since nothing is undeclared while it runs."""

    def __init__(self, children: Sequence[str] = ()) -> None:
        self._ports: dict[str, frozenset[int]] = {}
        self._sockets: frozenset[str] = frozenset()
        self._children = frozenset(children)
        self._refused: Counter[Attempt] = Counter()
        # Whoever holds it may be interrupted by a finaliser that tries something itself.
        self._lock = RLock()
        self._checks: Mapping[str, Callable[[Any], Attempt | None]] = {
            "socket.__new__": self._socket,
            "socket.connect": self._connection,
            "socket.sendto": self._connection,
            "socket.sendmsg": self._connection,
            "socket.getaddrinfo": self._lookup,
            "socket.gethostbyname": self._lookup,
            "socket.gethostbyaddr": self._lookup,
            "socket.getnameinfo": self._reverse,
            "subprocess.Popen": self._child,
            "os.posix_spawn": self._child,
            "os.exec": self._child,
            "os.spawn": self._child,
            "os.system": self._child,
            "pty.spawn": self._child,
        }

    @property
    def watched(self) -> frozenset[str]:
        """The interpreter's events that are checked."""
        return frozenset(self._checks)

    def permit(self, destination: Destination) -> None:
        """Let this process connect there from now on."""
        with self._lock:
            if not destination.port:
                self._sockets |= {destination.host}
            else:
                self._ports[destination.host] = self._ports.get(destination.host, frozenset()) | {destination.port}

    def check(self, event: str, arguments: tuple[Any, ...]) -> None:
        """What the interpreter is about to do; other events pass. Raises ``EgressRefused``."""
        checked = self._checks.get(event)
        if checked is None:
            return
        attempt = checked(arguments)
        if attempt is not None:
            self._keep(attempt)
            raise EgressRefused()

    def looked_up(self, host: object, answers: Sequence[tuple[Any, ...]]) -> None:
        """Permit what a permitted name stands for (3)."""
        ports = self._ports.get(canonical(_text(host)))
        if ports:
            for answer in answers:
                for port in ports:
                    self.permit(Destination(canonical(str(answer[4][0])), port))

    def taken(self) -> Counter[Attempt]:
        """The refusals since the last call, each with how often it was tried (5)."""
        with self._lock:
            taken, self._refused = self._refused, Counter()
        return taken

    def put_back(self, attempts: Counter[Attempt]) -> None:
        """Keep those that could not be written down."""
        with self._lock:
            self._refused += attempts

    def _keep(self, attempt: Attempt) -> None:
        with self._lock:
            known = attempt in self._refused or len(self._refused) < _KEPT
            self._refused[attempt if known else Attempt("many")] += 1

    # --- What is checked: None for what may happen -------------------------------------------------------------------------
    def _socket(self, arguments: tuple[Any, ...]) -> Attempt | None:
        """Raw sockets and other families reach the network without connecting (1)."""
        _, family, kind, _ = arguments
        raw = kind >= 0 and kind & _KIND_OF_SOCKET == socket.SOCK_RAW
        usual = family in {-1, socket.AF_INET, socket.AF_INET6, socket.AF_UNIX} and not raw
        return None if usual else Attempt("socket", f"family-{int(family)}")

    def _connection(self, arguments: tuple[Any, ...]) -> Attempt | None:
        used, address = arguments[0], arguments[1]
        if address is None:  # a message on a socket that is connected, which was checked then
            return None
        if used.family == socket.AF_UNIX:
            path = _text(address)
            return None if path in self._sockets else Attempt("connect", "unix-socket")
        host, port = _text(address[0]), int(address[1])
        return None if port in self._ports.get(canonical(host), ()) else Attempt("connect", domain_of(host), port)

    def _lookup(self, arguments: tuple[Any, ...]) -> Attempt | None:
        host = _text(arguments[0])
        if not host or numeric(host) or canonical(host) in self._ports:  # (2): nobody is asked about an address
            return None
        return Attempt("resolve", domain_of(host))

    def _reverse(self, _arguments: tuple[Any, ...]) -> Attempt | None:
        return Attempt("resolve", "reverse")

    def _child(self, arguments: tuple[Any, ...]) -> Attempt | None:
        command = arguments[1] if len(arguments) > 1 else ()
        words = [_text(word) for word in command] if isinstance(command, list | tuple) else []
        if words and words[0] == sys.executable and _started(words) in self._children:  # (4)
            return None
        if words and PurePath(words[0]).name in _PROBES:
            raise EgressRefused()
        return Attempt("start", "child-process")


#: What starts them, with a guard that permits nothing.
_STARTER = "domicile.adapters.egress.child"
#: The modules that this program runs in processes of their own.
CHILDREN = ("domicile.adapters.parsers.child", "domicile.adapters.embeddings.bulk_child")
#: The guard of this process. It watches once ``install`` was called.
PROCESS_GUARD = EgressGuard(CHILDREN)
_installed = False


def install() -> None:
    """Watch this process from now on, for good. To be called once, by what starts it; importing this does nothing."""
    global _installed  # noqa: PLW0603  # an interpreter has one list of hooks, and none can be taken out
    if not _installed:
        _installed = True
        sys.addaudithook(_watching(PROCESS_GUARD))
        socket.getaddrinfo = _remembering(socket.getaddrinfo, PROCESS_GUARD)


def is_installed() -> bool:
    """Whether this process is watched."""
    return _installed


def _watching(guard: EgressGuard) -> Callable[[str, tuple[Any, ...]], None]:
    """The hook: a plain function, which the interpreter calls three times as fast as a method, and it does so very often."""
    watched = guard.watched

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in watched:
            guard.check(event, arguments)

    return watch


def _remembering(resolve: Resolver, guard: EgressGuard) -> Resolver:
    """The system's resolver, whose answers the guard learns: the hook sees what is asked, and not what is answered."""

    def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:  # noqa: A002
        answers = resolve(host, port, family, type, proto, flags)
        guard.looked_up(host, answers)
        return answers

    return getaddrinfo


def _started(words: Sequence[str]) -> str:
    """The module of a command that starts it with a guard of its own; empty for any other command."""
    first = words.index("-m") if "-m" in words else len(words)
    return words[first + 2] if words[first + 1 : first + 2] == [_STARTER] and len(words) > first + 2 else ""


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes | bytearray) else "" if value is None else str(value)
