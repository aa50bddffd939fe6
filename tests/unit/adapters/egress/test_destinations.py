"""What an address leads to, and how much of one may be written down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.adapters.egress.destinations import Destination, canonical, destinations, domain_of, numeric, shown
from domicile.domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://sglang:30000/v1", [("sglang", 30000)]),
        ("https://Model.Example./v1", [("model.example", 443)]),
        ("http://10.0.0.7/v1", [("10.0.0.7", 80)]),
        ("https://[2001:DB8::1]:8443", [("2001:db8::1", 8443)]),
        ("postgresql+asyncpg://me@db/name", [("db", 5432)]),
        ("postgresql+asyncpg://me@/name?host=one:5433&host=two:5434", [("one", 5433), ("two", 5434)]),
        ("postgresql+asyncpg://me@/name?host=/var/run/postgresql", [("/var/run/postgresql/.s.PGSQL.5432", 0)]),
        ("sqlite+aiosqlite:////srv/cell.db", []),
    ],
)
def test_an_address_leads_to_its_hosts_and_ports(url: str, expected: list[tuple[str, int]]) -> None:
    """With the scheme's own port where none is named; PostgreSQL's may name several hosts, or a socket."""
    assert list(destinations(url)) == [Destination(*each) for each in expected]


@pytest.mark.parametrize("url", ["", "sglang", "sglang:30000", "http://", "ftp://host", "http://host:port", "http://[::1"])
def test_an_address_that_leads_nowhere_is_refused_without_being_repeated(url: str) -> None:
    """It may hold a credential that somebody put there against the documentation."""
    with pytest.raises(ConfigurationError) as raised:
        destinations(url)
    assert not url or url not in str(raised.value)


@pytest.mark.parametrize("spelling", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "::ffff:127.0.0.1", "::ffff:7f00:1"])
def test_one_address_has_one_spelling(spelling: str) -> None:
    """The system takes them all for the same, so that a guard which did not could be walked around."""
    assert canonical(spelling) == numeric(spelling) == "127.0.0.1"


def test_names_are_compared_without_case_and_closing_dot() -> None:
    """As name servers do."""
    assert canonical("SGLang.Example.") == "sglang.example"
    assert numeric("sglang.example") is None
    assert numeric("cafe.example") is None


def test_an_address_is_shown_without_what_could_be_secret() -> None:
    """Neither user nor password, path or query."""
    assert shown("https://user:hunter2@model.example:8443/v1?key=hunter3") == "https://model.example:8443"
    assert shown("sqlite+aiosqlite:////srv/cell.db") == "sqlite file"
    assert shown("hunter2") == "not an address"


def test_of_a_name_only_its_owner_is_written_down() -> None:
    """The labels before it can carry whatever somebody wants to take out by way of the name server's log, or ours."""
    assert domain_of("the-secret-is-42.part1.evil.example") == "*.evil.example"
    assert domain_of("qdrant") == "qdrant"
    assert domain_of("203.0.113.7") == "203.0.113.7"


@given(st.text(max_size=300))
def test_whatever_is_written_down_is_short_and_plain(host: str) -> None:
    """Also for what is no name at all."""
    written = domain_of(host)
    assert len(written) <= 128
    assert written.isascii()
    assert written.isprintable()
