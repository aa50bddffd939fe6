"""TLS of a cell: what its clients trust, and the certificate that it serves with.

Obligations, labelled where they are met:

1. Every certificate is verified, with the name of its host, by the operator's authorities or else the system's.
2. Nothing older than TLS 1.2 is spoken.
3. Keys lie in files that nobody else can read.
4. What is served outside this machine is TLS, here or at a proxy that the operator names.
"""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from pathlib import Path

from domicile.adapters.keys.private_file import PrivateFile
from domicile.bootstrap.transport import is_on_this_machine
from domicile.config import Settings
from domicile.domain.errors import ConfigurationError, KeyProviderUnavailable, ListensInClear
from domicile.ports.tls import TlsFiles

#: Where systems keep the authorities that they trust, for libraries that want one file.
_SYSTEM_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def client_tls(settings: Settings) -> TlsFiles:
    """What every client of a component trusts and shows; raises ``ConfigurationError`` for files that cannot serve for that."""
    authorities = str(settings.ca_file or _system_authorities())
    own = _pair(settings.client_cert_file, settings.client_key_file, "CLIENT_CERT_FILE", "CLIENT_KEY_FILE")
    files = TlsFiles(authorities, *(str(each) for each in own or ()))
    tls_context(files)
    return files


def tls_towards(settings: Settings, address: str) -> TlsFiles | None:
    """What the client of the component at that address is given; None where it is on this machine and asks for no TLS.

    Raises as ``client_tls`` does.
    """
    return None if is_on_this_machine(address) else client_tls(settings)


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """For clients written in Python. Raises ``ConfigurationError``.

    Not the library's default context, which would write the session keys to any file that SSLKEYLOGFILE names.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # (1) verifies certificates and host names unless told otherwise
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # (2)
    try:
        context.load_verify_locations(cafile=files.authorities)
    except OSError:  # an ``SSLError`` is one, too
        raise ConfigurationError(
            f"{files.authorities} holds no certificates that can be read.",
            hint="Set DOMICILE_CA_FILE to a PEM file of the authorities that signed the components' certificates.",
        ) from None
    if files.certificate:
        _load_own(context, files.certificate, files.key, "DOMICILE_CLIENT_CERT_FILE")
    return context


def service_context(url: str, authorities: Path | None) -> ssl.SSLContext | None:
    """What a command that talks to the service at that URL verifies it by; None for a service on this machine, in clear.

    Raises ``ConfigurationError``, for another one in clear, too: an API key must not be shown to whoever listens on the way.
    """
    if is_on_this_machine(url):
        return None
    if not url.startswith("https:"):
        raise ConfigurationError(
            "The service is on another machine and its URL is not https.", hint="Give DOMICILE_URL an https address."
        )
    return tls_context(TlsFiles(str(authorities or _system_authorities())))


def served_certificate(settings: Settings) -> tuple[Path, Path] | None:
    """The certificate and key to serve with; None to serve without TLS, which is for this machine or behind a proxy.

    Raises ``ListensInClear``, ``KeyFileExposed`` and ``ConfigurationError``.
    """
    own = _pair(settings.tls_cert_file, settings.tls_key_file, "TLS_CERT_FILE", "TLS_KEY_FILE")
    if own:
        _load_own(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), str(own[0]), str(own[1]), "DOMICILE_TLS_CERT_FILE")
    elif not _is_loopback(settings.host) and not settings.trusted_proxies:  # (4)
        raise ListensInClear(f"The service would listen on {settings.host[:64]} without TLS.")
    return own


def _system_authorities() -> str:
    """One file of them; raises ``ConfigurationError`` where the system has none."""
    found = [ssl.get_default_verify_paths().cafile, *_SYSTEM_FILES]
    for each in found:
        if each and Path(each).is_file():
            return each
    raise ConfigurationError(
        "This system has no file of certificate authorities.", hint="Set DOMICILE_CA_FILE to the components' own."
    )


def _pair(certificate: Path | None, key: Path | None, *names: str) -> tuple[Path, Path] | None:
    """Both or neither, the key closed to others (3)."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing = names[0] if certificate is None else names[1]
        raise ConfigurationError(f"DOMICILE_{missing} is not set.", hint="A certificate and its key are set together.")
    try:
        PrivateFile(key, "TLS key", "or make a new one with its certificate.").read()
    except KeyProviderUnavailable as error:
        raise ConfigurationError(str(error), hint=f"Check DOMICILE_{names[1]}.") from None
    return certificate, key


def _load_own(context: ssl.SSLContext, certificate: str, key: str, variable: str) -> None:
    def no_passphrase() -> str:
        """Asked for where the key is encrypted: nobody is there to type one."""
        return ""

    try:
        context.load_cert_chain(certificate, key, no_passphrase)
    except (OSError, ValueError):
        raise ConfigurationError(
            f"{variable} and its key cannot be used: they are no PEM files, or do not belong together.",
            hint="Give the certificate with its chain, and its own key without a passphrase.",
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return True  # no address to listen on, which ``check_address`` says
