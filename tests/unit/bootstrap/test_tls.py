"""What a cell trusts, and what it serves with."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from tests.fakes.certificates import Authority

from domicile.bootstrap.tls import client_tls, served_certificate, service_context, tls_context, tls_towards
from domicile.config import Settings
from domicile.domain.errors import ConfigurationError, KeyFileExposed, ListensInClear


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def declared(**values: object) -> Settings:
    return Settings(**{"data_dir": Path("/nowhere"), "region": "eu-de", **values})


def test_every_certificate_and_every_name_is_verified(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the operator's authorities alone, by TLS 1.2 or newer, and without writing the session's keys anywhere."""
    monkeypatch.setenv("SSLKEYLOGFILE", "/tmp/keys")  # noqa: S108 - nothing is written there, which is the point
    context = tls_context(client_tls(declared(ca_file=authority.file)))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.keylog_filename is None
    assert len(context.get_ca_certs()) == 1


def test_without_authorities_of_its_own_a_cell_trusts_the_system_s(authority: Authority) -> None:
    """Of which there is one file; and nothing is read for a component on this machine."""
    assert Path(client_tls(declared()).authorities).is_file()
    assert tls_towards(declared(ca_file=Path("/missing")), "http://127.0.0.1:1") is None
    assert tls_towards(declared(ca_file=authority.file), "https://host:1") is not None


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_without_authorities_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """An empty one would trust nobody, and the cell would learn it at its first connection only."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError) as raised:
        client_tls(declared(ca_file=file))
    assert "DOMICILE_CA_FILE" in raised.value.advice


def test_a_certificate_and_its_key_go_together(authority: Authority) -> None:
    """One without the other is a mistake, for a client as for the service."""
    pair, other = authority.issue("one", "localhost"), authority.issue("two", "localhost")
    with pytest.raises(ConfigurationError, match="DOMICILE_CLIENT_KEY_FILE"):
        client_tls(declared(ca_file=authority.file, client_cert_file=pair.certificate))
    with pytest.raises(ConfigurationError, match="DOMICILE_TLS_CERT_FILE"):
        served_certificate(declared(tls_key_file=pair.key))
    with pytest.raises(ConfigurationError, match="do not belong together"):
        served_certificate(declared(tls_cert_file=pair.certificate, tls_key_file=other.key))
    assert served_certificate(declared(tls_cert_file=pair.certificate, tls_key_file=pair.key)) == (pair.certificate, pair.key)


def test_a_key_that_others_can_read_is_refused(authority: Authority) -> None:
    """As every private file is."""
    pair = authority.issue("one", "localhost")
    pair.key.chmod(0o640)
    with pytest.raises(KeyFileExposed):
        served_certificate(declared(tls_cert_file=pair.certificate, tls_key_file=pair.key))
    with pytest.raises(KeyFileExposed):
        client_tls(declared(ca_file=authority.file, client_cert_file=pair.certificate, client_key_file=pair.key))


def test_a_missing_key_is_told_by_its_setting(authority: Authority, tmp_path: Path) -> None:
    """As a mistake in the configuration, not as a store that may come back."""
    pair = authority.issue("one", "localhost")
    with pytest.raises(ConfigurationError) as raised:
        served_certificate(declared(tls_cert_file=pair.certificate, tls_key_file=tmp_path / "missing"))
    assert "DOMICILE_TLS_KEY_FILE" in raised.value.advice


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1"])  # noqa: S104 - refused, which is the point
def test_the_service_does_not_listen_to_others_in_clear(host: str, authority: Authority) -> None:
    """Unless the operator names the TLS proxy in front of it."""
    with pytest.raises(ListensInClear) as raised:
        served_certificate(declared(host=host))
    assert "DOMICILE_TLS_CERT_FILE" in raised.value.advice
    assert served_certificate(declared(host=host, trusted_proxies=("10.0.0.0/24",))) is None
    assert served_certificate(declared(host="127.0.0.1")) is None
    pair = authority.issue("one", "localhost")
    assert served_certificate(declared(host=host, tls_cert_file=pair.certificate, tls_key_file=pair.key))


def test_a_command_shows_its_key_to_a_service_elsewhere_by_tls_only(authority: Authority) -> None:
    """A service on this machine may be in clear."""
    assert service_context("http://127.0.0.1:8000", None) is None
    assert service_context("https://service:8000", authority.file) is not None
    with pytest.raises(ConfigurationError) as raised:
        service_context("http://service:8000", authority.file)
    assert "https" in raised.value.advice
