"""Signing the policies in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.signed_policies import Signer, copied

from domicile.bootstrap.policies import load_bundle, sign_bundle
from domicile.bootstrap.signing import NAME, parse_signers, required_signers
from domicile.config import load_settings
from domicile.domain.errors import ConfigurationError, PolicyInvalid


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied(tmp_path / "policies")


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "policy.key")


def test_signing_again_replaces_the_signature(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """And leaves nothing else behind in the folder."""
    other = Signer(tmp_path / "other.key")
    before = set(folder.iterdir())
    assert load_bundle(other.sign(signer.sign(folder)), [other.key]).signed_by == other.key.id
    assert set(folder.iterdir()) == before | {folder / NAME}


def test_a_link_in_the_signatures_place_is_replaced_and_not_followed(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """Otherwise whoever can write to the folder could have any file of the signer's overwritten."""
    victim = tmp_path / "victim"
    victim.write_text("keep")
    (folder / NAME).symlink_to(victim)
    signer.sign(folder)
    assert victim.read_text() == "keep"
    assert not (folder / NAME).is_symlink()


def test_what_no_cell_could_start_with_is_not_signed(folder: Path, signer: Signer) -> None:
    """A signature says that the policies are in order, too."""
    (folder / "members.cedar").write_text("permit (")
    with pytest.raises(PolicyInvalid):
        signer.sign(folder)
    assert not (folder / NAME).exists()


def test_a_folder_that_cannot_be_written_is_said(folder: Path, signer: Signer) -> None:
    """Something else lies in the signature's place."""
    (folder / NAME).mkdir()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        sign_bundle(folder, signer.key_file)
    assert list(folder.glob(f".{NAME}*")) == []


def test_signers_come_from_the_settings(signer: Signer) -> None:
    """Several, in base64; what is no key is refused by the setting's name, and never skipped."""
    needed = {"DOMICILE_DATA_DIR": "/srv/cell", "DOMICILE_REGION": "eu-de"}
    assert required_signers(load_settings(needed)) == ()
    both = load_settings({**needed, "DOMICILE_POLICY_SIGNERS": f"{signer.key.text}, {signer.key.text}"})
    assert required_signers(both) == (signer.key, signer.key)
    with pytest.raises(ConfigurationError, match="DOMICILE_POLICY_SIGNERS"):
        required_signers(load_settings({**needed, "DOMICILE_POLICY_SIGNERS": f"{signer.key.text},x"}))


@pytest.mark.parametrize("text", ["", "x", "AAAA", "/etc/policy.pub"])
def test_what_is_no_key_is_refused_wherever_it_is_given(text: str) -> None:
    """The sentence names where."""
    with pytest.raises(ConfigurationError, match="--key"):
        parse_signers([text], "--key")
