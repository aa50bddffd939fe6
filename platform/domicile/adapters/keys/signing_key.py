"""The cell's receipt key in a file of this machine: what it signs its receipts with.

Two lines of text: ``domicile-receipt-key 1 <region>`` and the 32 bytes of the Ed25519 seed in base64. It opens nothing: whoever
has it can make statements in this cell's name, and cannot read a word.
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

_MAGIC = "domicile-receipt-key 1"


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
            seed = base64.b64encode(os.urandom(KEY_BYTES)).decode()
            with suppress(ConfigurationError):  # Another process of this cell made one at the same moment, and its key counts.
                self._file.create(f"{_MAGIC} {self._region}\n{seed}\n")
        return self.load()

    def load(self) -> SigningKey:
        """The key that there is; raises as ``load_or_create`` does, also if there is none."""
        try:
            header, encoded = self._file.read().decode("ascii").splitlines()
            magic, _, region = header.rpartition(" ")
            key = SigningKey(base64.b64decode(encoded, validate=True))
        except (ValueError, binascii.Error):
            # Raised outside, so that no exception carries a piece of the key along.
            key = None
        if key is None or magic != _MAGIC:
            raise KeyProviderUnavailable(f"The file at {self._file.path} is not a receipt key.")
        if region != self._region.name:
            raise ResidencyViolation(
                f"The receipt key at {self._file.path} belongs to region '{region}', this cell to '{self._region}'."
            )
        return key
