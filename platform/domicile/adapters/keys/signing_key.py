"""Ed25519 keys in files of this machine: what a cell signs its receipts with, and what somebody signs policies with.

Two lines of text: ``domicile-receipt-key 1 <region>`` or ``domicile-policy-key 1``, and the 32 bytes of the seed in base64.
They open nothing: whoever has one can make statements in its owner's name, and cannot read a word.
"""

from __future__ import annotations

import base64
import binascii
import os
from contextlib import suppress
from pathlib import Path

from domicile.adapters.keys.private_file import PrivateFile
from domicile.crypto.signatures import KEY_BYTES, SigningKey
from domicile.domain.errors import ConfigurationError, KeyProviderUnavailable, ResidencyViolation
from domicile.domain.values import Region

_RECEIPT_MAGIC = "domicile-receipt-key 1"
_POLICY_MAGIC = "domicile-policy-key 1"


class ReceiptKeyFile:
    """Made once, at the latest at the cell's next start. A new key after a loss costs nothing but a published key."""

    def __init__(self, path: Path, region: Region) -> None:
        self._region = region
        self._file = PrivateFile(path, "receipt key", "without it a new one is made at the next start.")

    def load_or_create(self) -> SigningKey:
        """The key, made if there is none.

        Raises ``KeyFileExposed``, ``ResidencyViolation`` for another region's key, and ``KeyProviderUnavailable`` if the file
        cannot be read or written, or is no receipt key.
        """
        if not self._file.exists():
            with suppress(ConfigurationError):  # Another process of this cell made one at the same moment, and its key counts.
                _create(self._file, f"{_RECEIPT_MAGIC} {self._region}")
        return self.load()

    def load(self) -> SigningKey:
        """The key that there is; raises as ``load_or_create`` does, also if there is none."""
        header, key = _load(self._file)
        magic, _, region = header.rpartition(" ")
        if key is None or magic != _RECEIPT_MAGIC:
            raise KeyProviderUnavailable(f"The file at {self._file.path} is not a receipt key.")
        if region != self._region.name:
            raise ResidencyViolation(
                f"The receipt key at {self._file.path} belongs to region '{region}', this cell to '{self._region}'."
            )
        return key


class PolicyKeyFile:
    """Belongs to whoever answers for the policies, and to no cell or region: a cell needs its public half only."""

    def __init__(self, path: Path) -> None:
        self._file = PrivateFile(
            path, "policy key", "without it make another with 'domicile policy keygen' and have the cells trust that."
        )

    def create(self) -> SigningKey:
        """A new key. Raises ``ConfigurationError`` if there is a file, ``KeyProviderUnavailable`` if it cannot be written."""
        _create(self._file, _POLICY_MAGIC)
        return self.load()

    def load(self) -> SigningKey:
        """Raises ``KeyFileExposed``, and ``KeyProviderUnavailable`` if the file cannot be read or is no policy key."""
        header, key = _load(self._file)
        if key is None or header != _POLICY_MAGIC:
            raise KeyProviderUnavailable(
                f"The file at {self._file.path} is not a policy key.", hint="Make one with 'domicile policy keygen'."
            )
        return key


def _create(file: PrivateFile, header: str) -> None:
    file.create(f"{header}\n{base64.b64encode(os.urandom(KEY_BYTES)).decode()}\n")


def _load(file: PrivateFile) -> tuple[str, SigningKey | None]:
    """The first line and the key; no key where the file has another form.

    The caller raises what is to be raised, outside of any handler, so that no exception carries a piece of the key along.
    """
    try:
        header, encoded = file.read().decode("ascii").splitlines()
        return header, SigningKey(base64.b64decode(encoded, validate=True))
    except (ValueError, binascii.Error):
        return "", None
