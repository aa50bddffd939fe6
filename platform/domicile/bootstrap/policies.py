"""Policies and their cases, from a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from domicile.bootstrap.signing import signed_by, write_signature
from domicile.config import resource_dir
from domicile.crypto.bundle_signature import BundleSignature
from domicile.crypto.signatures import VerifyKey
from domicile.domain.errors import ConfigurationError
from domicile.policy.bundle import PolicyBundle
from domicile.policy.cases import Case, Result, parse_cases, run_cases, untouched

__all__ = ["Case", "Result", "load_bundle", "load_cases", "load_unverified", "run_cases", "sign_bundle", "untouched"]

_SIGN = "Sign them with 'domicile policy sign {folder} --key FILE'."
_SIGN_COPY = "Copy that folder, sign the copy with 'domicile policy sign COPY --key FILE' and set DOMICILE_POLICY_DIR to it."


def load_bundle(folder: Path | None, signers: Sequence[VerifyKey]) -> PolicyBundle:
    """The bundle in that folder, or the one that is shipped. Raises ``ConfigurationError`` or ``PolicyInvalid``.

    With signers, only one that one of them signed. They have no default, so that nobody forgets them.
    """
    where = folder or resource_dir("policies")
    texts = _texts(where)
    # The signature comes first, so that nothing is parsed that nobody vouches for.
    sign_it = _SIGN.format(folder=where) if folder else _SIGN_COPY
    signer = signed_by(where, PolicyBundle.digest_of(*texts), signers, sign_it=sign_it)
    return replace(PolicyBundle.parse(*texts), signed_by=signer)


def load_unverified(folder: Path | None = None) -> PolicyBundle:
    """As ``load_bundle``, whoever signed it or not: for policies that are being written, and never to decide an access by."""
    return PolicyBundle.parse(*_texts(folder or resource_dir("policies")))


def sign_bundle(folder: Path, key_file: Path) -> BundleSignature:
    """Sign the policies in that folder, if a cell could start with them. Whatever signature they have is replaced."""
    return write_signature(folder, load_unverified(folder).digest, key_file)


def load_cases(folder: Path | None = None) -> Sequence[Case]:
    """The cases in ``cases/`` of that folder, or of what is shipped; none where there is no such folder."""
    folder = (folder or resource_dir("policies")) / "cases"
    try:
        return parse_cases({path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.yaml"))})
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"The cases in {folder} cannot be read.", hint="Check who owns the files.") from None


def _texts(folder: Path) -> tuple[str, Mapping[str, str], str]:
    """Schema, policies by file name, and regions. Read once: what is verified is what is parsed."""
    try:
        policies = {path.name: _text(path) for path in sorted(folder.glob("*.cedar"))}
        return _text(folder / "schema.cedarschema"), policies, _text(folder / "regions.yaml")
    except OSError:
        raise ConfigurationError(
            f"There are no policies in {folder}.", hint="It needs schema.cedarschema, regions.yaml and *.cedar files."
        ) from None


def _text(path: Path) -> str:
    """Line ends as they are: the digest is of every byte, and two line ends are not the same to Cedar everywhere."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not text in UTF-8.", hint="Save it as UTF-8.") from None
