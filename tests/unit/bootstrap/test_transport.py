"""What has to be TLS, told by addresses alone."""

from __future__ import annotations

import pytest

from domicile.bootstrap.transport import is_on_this_machine, transport_faults, without_tls_query

AT_HOME = [
    "http://127.0.0.1:1",
    "http://127.8.9.10:1",
    "http://[::1]:1",
    "http://localhost:1",
    "http://LOCALHOST.:1",
    "http://[::ffff:127.0.0.1]:1",
    "postgresql+asyncpg://domicile@localhost/domicile",
    "postgresql+asyncpg:///domicile?host=/var/run/postgresql",
]
ELSEWHERE = [
    "http://10.0.0.1:1",
    "http://0.0.0.0:1",
    "http://sglang:1",
    "http://localhost.example:1",
    "http://127.0.0.1.example:1",
    "http://[::ffff:10.0.0.1]:1",
    "http://127.0.0.1@host:1",
]


@pytest.mark.parametrize("address", AT_HOME)
def test_what_stays_on_this_machine_may_be_in_clear(address: str) -> None:
    """Loopback addresses in any spelling, localhost, and Unix sockets."""
    assert is_on_this_machine(address)
    assert list(transport_faults("model", address, "DOMICILE_LLM_URL")) == []


@pytest.mark.parametrize("address", ELSEWHERE)
def test_everything_else_in_clear_is_a_fault(address: str) -> None:
    """Also what only looks like this machine."""
    assert not is_on_this_machine(address)
    (fault,) = transport_faults("model", address, "DOMICILE_LLM_URL")
    assert "DOMICILE_LLM_URL" in fault
    assert list(transport_faults("model", address.replace("http:", "https:"), "DOMICILE_LLM_URL")) == []


@pytest.mark.parametrize("scheme", ["ftp", "grpc", "ws", "HTTP", "httpss"])
def test_only_https_counts_as_tls(scheme: str) -> None:
    """Whatever a scheme that nobody knows may mean to a client."""
    assert list(transport_faults("model", f"{scheme}://host:1", "DOMICILE_LLM_URL"))


@pytest.mark.parametrize(
    "query",
    [
        "ssl=disable",
        "ssl=prefer",
        "ssl=require",
        "ssl=verify-ca",
        "ssl=",
        "ssl=verify-full&ssl=disable",
        "sslmode=disable",
        "sslmode=verify-full",
        "sslrootcert=/tmp/other.pem",
        "direct_tls=false",
        "gssencmode=prefer",
        "service=other",
        "hostaddr=10.0.0.1",
        "%73slmode=disable",
    ],
)
@pytest.mark.parametrize("host", ["postgres", "127.0.0.1"])
def test_a_database_s_address_cannot_weaken_tls(query: str, host: str) -> None:
    """Nor lead its second driver elsewhere. What is wrong is told without repeating it."""
    faults = list(transport_faults("database", f"postgresql+asyncpg://u:hunter2@{host}/d?{query}", "DOMICILE_DATABASE_URL"))
    assert faults
    assert all("hunter2" not in each and "DOMICILE_DATABASE_URL" in each for each in faults)


def test_one_place_elsewhere_among_several_needs_tls() -> None:
    """A database may have several hosts."""
    assert not is_on_this_machine("postgresql+asyncpg:///d?host=localhost:5432&host=postgres:5432")
    assert is_on_this_machine("postgresql+asyncpg:///d?host=localhost:5432&host=[::1]")


def test_a_database_on_this_machine_can_ask_for_tls() -> None:
    """And its drivers are told so by other means than the address."""
    asking = "postgresql+asyncpg:///d?host=localhost:5432&ssl=verify-full&host=/run/postgresql"
    assert not is_on_this_machine(asking)
    assert list(transport_faults("database", asking, "DOMICILE_DATABASE_URL")) == []
    assert without_tls_query(asking) == "postgresql+asyncpg:///d?host=localhost:5432&host=/run/postgresql"
    assert without_tls_query("postgresql+asyncpg://u@h/d?ssl=verify-full") == "postgresql+asyncpg://u@h/d"
    assert without_tls_query("postgresql+asyncpg://u@h/d") == "postgresql+asyncpg://u@h/d"
