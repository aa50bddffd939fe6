"""What the clients of components trust and what they show of themselves, as files that libraries in any language read."""

from __future__ import annotations

from dataclasses import dataclass
from ssl import SSLError


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of PEM files.

    ``authorities`` is the file of those who may sign a component's certificate. ``certificate`` and ``key`` are this cell's
    own, for components that want to know who is calling; both are empty where there is none.
    """

    authorities: str
    certificate: str = ""
    key: str = ""


def is_untrusted(error: BaseException | None) -> bool:
    """Whether a connection failed because of TLS, which the libraries of clients say at the bottom of what they raise."""
    while error is not None:
        if isinstance(error, SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
