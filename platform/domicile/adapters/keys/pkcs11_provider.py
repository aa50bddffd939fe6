"""Root keys in a PKCS#11 token, such as an HSM: made there, used there, and never outside of it.

The versions of a root key are AES keys with the labels ``domicile/<region>/1``, ``…/2`` and so on; the highest number is the
newest. What is wrapped names the key's CKA_ID, then come 12 bytes of nonce and what AES-256-GCM gave. Associated data is
everything before the nonce, and the context.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import NoSuchKey, PKCS11Error

from domicile.adapters.keys.binding import associated, bound, unbound
from domicile.adapters.keys.calls import translated, unavailable
from domicile.adapters.keys.pkcs11_module import Pkcs11Module, TokenSession
from domicile.adapters.keys.wrapped import By, WrappedBy
from domicile.domain.errors import DecryptionFailed, KeyFileExposed, KeyProviderUnavailable
from domicile.domain.values import Region

Result = TypeVar("Result")

_NONCE_BYTES = 12
_TAG_BYTES = 16
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Version:
    number: int
    id: bytes
    key: Any

    def encrypt(self, plaintext: bytes, associated_data: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + bytes(self.key.encrypt(plaintext, **_gcm(nonce, associated_data)))

    def decrypt(self, body: bytes, associated_data: bytes) -> bytes:
        return bytes(self.key.decrypt(body[_NONCE_BYTES:], **_gcm(body[:_NONCE_BYTES], associated_data)))

    def probe(self) -> None:
        """Raise ``PKCS11Error`` unless it opens what it has just sealed."""
        if self.decrypt(self.encrypt(b"probe", b"probe"), b"probe") != b"probe":
            raise PKCS11Error()


class Pkcs11KeyProvider:
    """Implements the ``KeyProvider`` port. ``module`` is the library's path and ``token`` the token's label.

    ``pin`` reads the PIN, whenever it is needed.
    """

    def __init__(self, name: str, region: Region, module: Path, token: str, pin: Callable[[], str]) -> None:
        self.region = region
        self.name = name
        self._module = Pkcs11Module.joined(module)
        self._token = TokenSession(name, self._module, token, pin)
        self._prefix = f"domicile/{region}/"
        self._closed = False

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        about = associated(self.region, context)
        return await self._run(lambda session: self._wrap(session, bound(key, about), about))

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        parsed = WrappedBy.parse(By.PKCS11, wrapped)
        if not context or len(parsed.body) <= _NONCE_BYTES + _TAG_BYTES:
            raise DecryptionFailed()
        about = associated(self.region, context)
        return unbound(await self._run(lambda session: self._unwrap(session, parsed, about)), about)

    async def is_current(self, wrapped: bytes) -> bool:
        parsed = WrappedBy.parse(By.PKCS11, wrapped)
        return await self._run(lambda session: bool(self._versions(session)[-1].id == parsed.version))

    async def rotate(self) -> None:
        await self._module.run(self.name, lambda: translated(self._rotate, PKCS11Error, lambda _: self._not_made()))

    async def ping(self) -> None:
        await self._run(lambda session: self._newest(session).probe())

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            with suppress(KeyProviderUnavailable):  # a token that hangs ends with the process
                await self._module.run(self.name, self._token.close)
            self._module.leave()

    async def _run(self, work: Callable[[Any], Result]) -> Result:
        return await self._module.run(self.name, lambda: self._token.use(work))

    # --- In the module's thread --------------------------------------------------------------------------------------------
    def _wrap(self, session: Any, plaintext: bytes, about: bytes) -> bytes:
        newest = self._newest(session)
        header = WrappedBy(By.PKCS11, newest.id, b"").header
        return header + newest.encrypt(plaintext, header + about)

    def _unwrap(self, session: Any, parsed: WrappedBy, about: bytes) -> bytes:
        for each in self._versions(session):
            if each.id == parsed.version:
                return _opened(each, parsed, about)
        raise DecryptionFailed()

    def _rotate(self) -> None:
        number = self._token.use(self._newest).number + 1
        self._token.writable(lambda session: _generate(session, f"{self._prefix}{number}"))

    def _not_made(self) -> Exception:
        return unavailable(
            self.name, "did not let a new root key be made in its token", "Check that its user may make keys there."
        )

    def _newest(self, session: Any) -> _Version:
        """Raises ``KeyFileExposed`` for one that could be taken out of the token."""
        newest = self._versions(session)[-1]
        if newest.key[Attribute.EXTRACTABLE] or not newest.key[Attribute.SENSITIVE]:
            raise KeyFileExposed(
                f"The root key '{self._prefix}{newest.number}' of '{self.name}' can be taken out of its token.",
                hint="Make another one that is sensitive and cannot be extracted; see docs/keys.md.",
            )
        return newest

    def _versions(self, session: Any) -> list[_Version]:
        """The oldest first. Raises ``NoSuchKey``, and never makes one: a lost key must show."""
        wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES}
        found = []
        for key in session.get_objects(wanted):
            number = (key.label or "").removeprefix(self._prefix)
            if number != key.label and number.isascii() and number.isdecimal() and key.id:
                found.append(_Version(int(number), bytes(key.id), key))
        if not found:
            raise NoSuchKey()
        return sorted(found, key=lambda each: (each.number, each.id))


def _opened(version: _Version, parsed: WrappedBy, about: bytes) -> bytes:
    """Modules do not tell a mismatch from their own trouble. What seals and opens otherwise has none."""
    with suppress(PKCS11Error):
        return version.decrypt(parsed.body, parsed.header + about)
    version.probe()
    raise DecryptionFailed()


def _generate(session: Any, label: str) -> None:
    session.generate_key(
        KeyType.AES,
        256,
        id=os.urandom(_ID_BYTES),
        label=label,
        store=True,
        capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
        template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True},
    )


def _gcm(nonce: bytes, associated_data: bytes) -> dict[str, Any]:
    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce, associated_data, _TAG_BYTES * 8)}
