"""Root keys in the transit engine of HashiCorp Vault or OpenBao.

What transit gives, ``vault:v3:…``, is stored as the number of the key's version and the bytes behind it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hvac
import requests
from hvac.exceptions import InternalServerError, InvalidRequest, VaultError

from domicile.adapters.keys.binding import associated, bound, unbound
from domicile.adapters.keys.calls import CONNECT_SECONDS, TOTAL_SECONDS, BlockingCalls, translated, unavailable
from domicile.adapters.keys.wrapped import By, WrappedBy
from domicile.domain.errors import ConfigurationError, DecryptionFailed, DomicileError, KeyFileExposed
from domicile.domain.values import Region

#: Types of keys that authenticate associated data.
_TYPES = frozenset({"aes256-gcm96", "chacha20-poly1305"})
_THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitKey:
    """``address`` is the server's, such as ``https://vault.example:8200``; ``mount`` is where the transit engine is mounted.

    ``ca_file`` holds the certificates to trust in place of the usual ones.
    """

    address: str
    mount: str
    key: str
    ca_file: str = ""


class VaultTransitProvider:
    """Implements the ``KeyProvider`` port. ``token`` reads the token for each call, so that an agent can renew its file."""

    def __init__(self, name: str, region: Region, key: TransitKey, token: Callable[[], str]) -> None:
        self.region = region
        self.name = name
        self._key = key
        self._token = token
        self._calls = BlockingCalls(threads=_THREADS)
        self._session = requests.Session()
        # No proxy, no certificates and no credentials from the environment or from files of whoever runs this.
        self._session.trust_env = False
        self._session.verify = key.ca_file or True

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        about = associated(self.region, context)
        return await self._calls.run(self.name, lambda: self._wrap(bound(key, about), about))

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        parsed = WrappedBy.parse(By.VAULT, wrapped)
        if not context or not _is_number(parsed.version):
            raise DecryptionFailed()
        about = associated(self.region, context)
        return unbound(await self._calls.run(self.name, lambda: self._unwrap(parsed, about)), about)

    async def is_current(self, wrapped: bytes) -> bool:
        version = WrappedBy.parse(By.VAULT, wrapped).version
        return version == str((await self._calls.run(self.name, self._checked))["latest_version"]).encode()

    async def rotate(self) -> None:
        await self._calls.run(self.name, self._rotate)

    async def ping(self) -> None:
        await self._calls.run(self.name, self._checked)

    async def close(self) -> None:
        self._calls.close()
        self._session.close()

    # --- In threads --------------------------------------------------------------------------------------------------------
    def _wrap(self, plaintext: bytes, about: bytes) -> bytes:
        self._checked()  # transit makes a key that is not there, where the token may do that: a lost key must show
        version, body = self._ask(
            lambda transit: transit.encrypt_data(
                self._key.key, plaintext=_text(plaintext), associated_data=_text(about), mount_point=self._key.mount
            ),
            lambda answer: _parts(answer["data"]["ciphertext"]),
        )
        return WrappedBy(By.VAULT, version, body).encode()

    def _unwrap(self, parsed: WrappedBy, about: bytes) -> bytes:
        plaintext: bytes = self._ask(
            lambda transit: transit.decrypt_data(
                self._key.key,
                ciphertext=f"vault:v{parsed.version.decode()}:{_text(parsed.body)}",
                associated_data=_text(about),
                mount_point=self._key.mount,
            ),
            lambda answer: base64.b64decode(answer["data"]["plaintext"], validate=True),
            self._mismatch,
        )
        return plaintext

    def _rotate(self) -> None:
        self._checked()
        self._ask(lambda transit: transit.rotate_key(self._key.key, mount_point=self._key.mount), lambda _: None)

    def _checked(self) -> dict[str, Any]:
        """What transit says about the key, if it is one that keeps tenants' keys safe."""
        found: dict[str, Any] = self._ask(
            lambda transit: transit.read_key(self._key.key, mount_point=self._key.mount),
            lambda answer: {**answer["data"], "latest_version": int(answer["data"]["latest_version"])},
        )
        if str(found.get("type")) not in _TYPES or found.get("derived"):
            raise ConfigurationError(
                f"The key of '{self.name}' in transit does not authenticate associated data by itself.",
                hint=f"Make one of type {' or '.join(sorted(_TYPES))} that is not derived.",
            )
        if found.get("exportable") or found.get("allow_plaintext_backup"):
            raise KeyFileExposed(
                f"The key of '{self.name}' can be taken out of transit.",
                hint="Make one that is not exportable and permits no plaintext backup.",
            )
        return found

    def _mismatch(self, error: Exception) -> DomicileError:
        """Transit answers 400 for altered bytes, other associated data and retired versions, and for a key that is gone.

        Older versions answered 500 where the authentication of the bytes failed.
        """
        refused = isinstance(error, InvalidRequest) and "key not found" not in str(error)
        if refused or (isinstance(error, InternalServerError) and "message authentication failed" in str(error)):
            return DecryptionFailed()
        return self._failed(error)

    def _ask(
        self,
        call: Callable[[Any], Any],
        value: Callable[[Any], Any],
        translate: Callable[[Exception], DomicileError] | None = None,
    ) -> Any:
        """What is wanted of the answer."""
        token = translated(self._token, ConfigurationError, lambda _: unavailable(self.name, "cannot read its token's file"))
        if not token:
            raise unavailable(self.name, "finds nothing in its token's file")
        transit = self._client(token).secrets.transit
        # The library raises some of its own trouble, such as an answer that is no JSON, as errors of the language.
        errors = (VaultError, requests.RequestException, ValueError, KeyError, TypeError, AttributeError)
        return translated(lambda: value(call(transit)), errors, translate or self._failed)

    def _client(self, token: str) -> Any:
        """Cheap: the connections are the session's. What is empty here is what would else come from the environment."""
        return hvac.Client(
            url=self._key.address,
            token=token,
            cert=(),
            verify=self._session.verify,
            timeout=(CONNECT_SECONDS, TOTAL_SECONDS - CONNECT_SECONDS),
            allow_redirects=False,
            session=self._session,
        )

    def _failed(self, error: Exception) -> DomicileError:
        """By class only: the library's messages hold addresses, and what the server has said."""
        if isinstance(error, VaultError):
            return unavailable(self.name, f"refused with {type(error).__name__}")
        return unavailable(self.name, "cannot be reached, or does not answer as Vault does")


def _parts(ciphertext: str) -> tuple[bytes, bytes]:
    """Version and bytes of ``vault:v3:…``. Raises ``ValueError``."""
    prefix, version, text = ciphertext.split(":")
    if prefix != "vault" or not _is_number(version[1:].encode()):
        raise ValueError("not a ciphertext of transit")
    return version[1:].encode(), base64.b64decode(text, validate=True)


def _is_number(version: bytes) -> bool:
    return version.isdigit() and len(version) < 10


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
