"""The headers that every response carries, and the cookie that a session lives in."""

from __future__ import annotations

from collections.abc import Mapping

#: Pages take everything from this service itself, run no inline script or style, and can be framed by nobody.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)

#: For everything that is not a page, originals above all: were it shown as one, it could do nothing.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"

#: ``same-origin`` and not ``no-referrer``: with the latter, browsers send ``Origin: null`` with the pages' own forms.
EVERYWHERE: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "content-security-policy": DATA_POLICY,
    "cache-control": "no-store",
}

_A_YEAR = 31_536_000


def security_headers(*, over_tls: bool) -> dict[str, str]:
    """What is set on every response unless the response sets it itself."""
    if not over_tls:
        return dict(EVERYWHERE)
    return {**EVERYWHERE, "strict-transport-security": f"max-age={_A_YEAR}; includeSubDomains"}


def session_cookie(*, over_tls: bool) -> str:
    """The cookie's name; browsers take ``__Host-`` only over TLS, for this host and for the whole path."""
    return "__Host-domicile" if over_tls else "domicile"
