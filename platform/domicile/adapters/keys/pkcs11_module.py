"""A PKCS#11 module (an HSM's library), its tokens, and sessions on them. All of it runs in the module's own thread."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pkcs11
from pkcs11.exceptions import PinIncorrect, PinInvalid, PinLenRange, PinLocked, PKCS11Error, UserAlreadyLoggedIn

from domicile.adapters.keys.calls import BlockingCalls, translated, unavailable
from domicile.domain.errors import ConfigurationError

Result = TypeVar("Result")

_PIN = (PinIncorrect, PinInvalid, PinLenRange, PinLocked)


class Pkcs11Module:
    """A module that is in use, whose calls are all made in one thread: not every module permits more.

    ``generation`` counts how often it was started; no session of an earlier one may be used.
    """

    def __init__(self, path: Path) -> None:
        self.generation = 0
        self._path = path
        self._calls = BlockingCalls(threads=1)
        self._users = 0

    @classmethod
    def joined(cls, path: Path) -> Pkcs11Module:
        """The one of that path. Whoever joins it leaves it when done; the last one ends its thread."""
        return _IN_USE.setdefault(path, cls(path)).join()

    def join(self) -> Pkcs11Module:
        self._users += 1
        return self

    def leave(self) -> None:
        self._users -= 1
        if not self._users:
            del _IN_USE[self._path]
            self._calls.close()

    async def run(self, name: str, call: Callable[[], Result]) -> Result:
        """See ``BlockingCalls.run``."""
        return await self._calls.run(name, call)

    def token(self, label: str) -> Any:
        """The token of that label. Raises ``PKCS11Error``."""
        try:
            return pkcs11.lib(str(self._path)).get_token(token_label=label)
        except PKCS11Error:
            self._start_again()
        return pkcs11.lib(str(self._path)).get_token(token_label=label)

    def _start_again(self) -> None:
        """A module looks for its tokens when it starts. It forgets every session, and would give their numbers to others."""
        self.generation += 1
        with suppress(PKCS11Error):
            pkcs11.lib(str(self._path)).finalize()


#: A process has each module once, whoever loads it, and so there is one thread and one count of starts for it.
_IN_USE: dict[Path, Pkcs11Module] = {}


class TokenSession:
    """A session on one token, opened when it is needed, and opened anew when it is lost."""

    def __init__(self, name: str, module: Pkcs11Module, label: str, pin: Callable[[], str]) -> None:
        self._name = name
        self._module = module
        self._label = label
        self._pin = pin
        self._refused_pin: str | None = None
        self._opened: tuple[int, Any] | None = None

    def use(self, work: Callable[[Any], Result]) -> Result:
        """What the work gives. If it raises ``PKCS11Error``, it is tried once more with a new session.

        Raises ``KeyProviderUnavailable``, also for a PIN that is refused.
        """
        with suppress(PKCS11Error):
            return work(self._session())
        self.close()
        return translated(lambda: work(self._session()), PKCS11Error, self._lost)

    def writable(self, work: Callable[[Any], Result]) -> Result:
        """With a session of its own that may change the token. Raises ``PKCS11Error``."""
        self._session()  # logs in, which counts for every session on the token
        with self._module.token(self._label).open(rw=True) as session:
            return work(session)

    def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened and opened[0] == self._module.generation:
            with suppress(PKCS11Error):
                opened[1].close()

    def _session(self) -> Any:
        if self._opened and self._opened[0] == self._module.generation:
            return self._opened[1]
        token, pin = self._module.token(self._label), self._read_pin()
        session = translated(lambda: _open(token, pin), _PIN, lambda _: self._pin_refused(pin))
        self._opened = (self._module.generation, session)
        return session

    def _read_pin(self) -> str:
        pin = translated(self._pin, ConfigurationError, lambda _: unavailable(self._name, "cannot read the file of its PIN"))
        if pin == self._refused_pin:
            raise self._pin_refused(pin)
        return pin

    def _pin_refused(self, pin: str) -> Exception:
        """It is not tried again: a token locks itself after a few wrong ones."""
        self._refused_pin = pin
        self._opened = None
        return unavailable(
            self._name,
            "has a PIN that its token refuses",
            "Put the right one into its file; it is not tried again before that.",
        )

    def _lost(self, _error: Exception) -> Exception:
        self.close()
        return unavailable(
            self._name,
            f"does not reach its token '{self._label}', or finds no usable root key there",
            "Check that the token is there, and that it holds a root key of this region; see docs/keys.md.",
        )


def _open(token: Any, pin: str) -> Any:
    try:
        return token.open(user_pin=pin)
    except UserAlreadyLoggedIn:  # by another session of this process, which counts for this one as well
        return token.open()
