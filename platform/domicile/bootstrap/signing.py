"""Who signed the policies in a folder, and signing them.

The signature lies in ``bundle.sig`` beside the policies, in the form of ``crypto.bundle_signature``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import uuid4

from domicile.adapters.identity.clock import SystemClock
from domicile.adapters.keys.signing_key import PolicyKeyFile
from domicile.audit.encoding import timestamp
from domicile.config import Settings
from domicile.crypto.bundle_signature import MOST_BYTES, BundleSignature, encode, read, sign, verify
from domicile.crypto.signatures import VerifyKey
from domicile.domain.errors import ConfigurationError, PolicyInvalid

NAME = "bundle.sig"


def parse_signers(keys: Iterable[str], origin: str) -> tuple[VerifyKey, ...]:
    """Public keys from base64; raises ``ConfigurationError``, which names their origin."""
    try:
        return tuple(VerifyKey.parse(each) for each in keys)
    except ValueError:
        raise ConfigurationError(
            f"{origin} names something that is not an Ed25519 public key.",
            hint="Give the public key in base64, as 'domicile policy keygen' printed it.",
        ) from None


def make_key(file: Path) -> VerifyKey:
    """The public half of a new key in that file. Raises what ``PolicyKeyFile.create`` raises."""
    return PolicyKeyFile(file).create().public


def required_signers(settings: Settings) -> tuple[VerifyKey, ...]:
    """The keys one of which has to have signed the cell's policies; none means that nobody has to."""
    return parse_signers(settings.policy_signers, "DOMICILE_POLICY_SIGNERS")


def signed_by(folder: Path, digest: str, signers: Sequence[VerifyKey], *, sign_it: str) -> str:
    """The id of the signer whose signature is in the folder; empty if none is required. Raises ``PolicyInvalid``.

    Where none is required, one that is there has to be about these policies nevertheless: it says that they were altered by
    mistake. Whose it is then does not matter, and is not said. ``sign_it`` is what to do about one that is missing.
    """
    body = _content(folder / NAME)
    if body is None:
        if signers:
            raise PolicyInvalid(f"The policies in {folder} are not signed, and this cell takes only signed ones.", hint=sign_it)
        return ""
    if signers:
        return verify(body, digest, signers).key_id
    read(body, digest)
    return ""


def write_signature(folder: Path, digest: str, key_file: Path) -> BundleSignature:
    """Sign that digest and put the signature in the folder, in place of one that is there.

    Raises what ``PolicyKeyFile.load`` raises, and ``ConfigurationError`` if the folder cannot be written.
    """
    signature = sign(digest, PolicyKeyFile(key_file).load(), timestamp(SystemClock().now()))
    partial = folder / f".{NAME}.{uuid4()}"
    try:
        try:
            partial.write_bytes(encode(signature))
            # A cell that reads it at this moment finds the old one or the new one; a link is replaced, not followed.
            partial.replace(folder / NAME)
        finally:
            partial.unlink(missing_ok=True)
    except OSError:
        raise ConfigurationError(f"{folder / NAME} cannot be written.", hint="Check who owns the folder.") from None
    return signature


def _content(path: Path) -> bytes | None:
    """What is in the file; None only if there is nothing at all, so that what cannot be read does not count as unsigned."""
    if not os.path.lexists(path):
        return None
    try:
        if path.is_file():  # Opening a pipe would wait for somebody to write to it.
            with path.open("rb") as file:
                return file.read(MOST_BYTES + 1)
    except OSError:
        pass
    raise PolicyInvalid(f"The signature {path} cannot be read.", hint="Check that it is a file, and who owns it.")
