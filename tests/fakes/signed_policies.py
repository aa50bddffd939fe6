"""Folders of policies and keys that sign them, on disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.fakes.policy import POLICIES

from domicile.bootstrap.policies import sign_bundle
from domicile.bootstrap.signing import make_key
from domicile.crypto.signatures import VerifyKey


def copied(folder: Path) -> Path:
    """The policies that are shipped, in a folder of their own."""
    return Path(shutil.copytree(POLICIES, folder))


class Signer:
    """Somebody with a key in a file."""

    def __init__(self, key_file: Path) -> None:
        self.key_file = key_file
        self.key: VerifyKey = make_key(key_file)

    def sign(self, folder: Path) -> Path:
        """Sign that folder; gives it."""
        sign_bundle(folder, self.key_file)
        return folder
