"""Security headers."""

from __future__ import annotations

from domicile.web.headers import PAGE_POLICY, security_headers, session_cookie


def test_the_pages_policy_lets_nothing_in_but_the_own_files() -> None:
    """Everything is denied first; no inline script or style, no other host, no frame around it."""
    rules = dict(rule.strip().split(" ", 1) for rule in PAGE_POLICY.split(";"))
    assert rules.pop("default-src") == "'none'"
    assert rules.pop("base-uri") == rules.pop("frame-ancestors") == "'none'"
    assert rules.pop("require-trusted-types-for") == "'script'"
    assert set(rules.values()) == {"'self'"}
    assert "unsafe" not in PAGE_POLICY


def test_transport_security_and_the_host_bound_cookie_come_with_tls() -> None:
    """Without TLS browsers would refuse both."""
    assert "strict-transport-security" in security_headers(over_tls=True)
    assert "strict-transport-security" not in security_headers(over_tls=False)
    assert session_cookie(over_tls=True).startswith("__Host-")
    assert not session_cookie(over_tls=False).startswith("__")
