"""Files of Ed25519 keys."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from domicile.adapters.keys.signing_key import PolicyKeyFile, ReceiptKeyFile
from domicile.domain.errors import ConfigurationError, KeyFileExposed, KeyProviderUnavailable, ResidencyViolation
from domicile.domain.values import Region

HOME = Region("eu-de")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "receipt.key"


def test_it_is_made_once_and_only_its_owner_can_read_it(path: Path) -> None:
    """A second start, or a second process, signs with the same key."""
    first = ReceiptKeyFile(path, HOME).load_or_create()
    assert ReceiptKeyFile(path, HOME).load_or_create() == first
    assert ReceiptKeyFile(path, HOME).load() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first.seed not in path.read_bytes()  # base64, so that the file is text
    assert "seed" not in repr(first)


def test_one_that_others_can_read_is_refused(path: Path) -> None:
    """Whoever has read it could sign in the cell's name."""
    ReceiptKeyFile(path, HOME).load_or_create()
    path.chmod(0o640)
    with pytest.raises(KeyFileExposed, match="receipt key"):
        ReceiptKeyFile(path, HOME).load_or_create()


def test_another_regions_key_is_refused(path: Path) -> None:
    """A key file cannot come to serve another cell by mistake."""
    ReceiptKeyFile(path, Region("us-va")).load_or_create()
    with pytest.raises(ResidencyViolation, match="'us-va'"):
        ReceiptKeyFile(path, HOME).load()


@pytest.mark.parametrize("content", ["", "x", "domicile-receipt-key 1 eu-de\n", "domicile-receipt-key 1 eu-de\nAAAA\n", "\xff"])
def test_what_is_no_receipt_key_is_refused(path: Path, content: str) -> None:
    """And never replaced by a new one, which would hide that something is wrong."""
    path.parent.mkdir()
    path.write_text(content, "latin-1")
    path.chmod(0o600)
    with pytest.raises(KeyProviderUnavailable, match="is not a receipt key"):
        ReceiptKeyFile(path, HOME).load_or_create()


def test_a_missing_one_is_said(path: Path) -> None:
    """Loading alone makes none."""
    with pytest.raises(KeyProviderUnavailable, match="no receipt key"):
        ReceiptKeyFile(path, HOME).load()


def test_a_policy_key_is_made_where_there_is_none(tmp_path: Path) -> None:
    """For its owner only; one that is there is never written over."""
    place = tmp_path / "policy.key"
    made = PolicyKeyFile(place).create()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    before = place.read_bytes()
    with pytest.raises(ConfigurationError, match="already"):
        PolicyKeyFile(place).create()
    assert place.read_bytes() == before
    assert PolicyKeyFile(place).load() == made


def test_a_policy_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    """Whoever has read it could sign policies."""
    place = tmp_path / "policy.key"
    PolicyKeyFile(place).create()
    place.chmod(0o640)
    with pytest.raises(KeyFileExposed, match="policy key"):
        PolicyKeyFile(place).load()


def test_keys_for_one_purpose_do_not_serve_another(path: Path, tmp_path: Path) -> None:
    """A cell that could sign its own policies would make their signature worthless."""
    ReceiptKeyFile(path, HOME).load_or_create()
    with pytest.raises(KeyProviderUnavailable, match="not a policy key"):
        PolicyKeyFile(path).load()
    PolicyKeyFile(tmp_path / "policy.key").create()
    with pytest.raises(KeyProviderUnavailable, match="not a receipt key"):
        ReceiptKeyFile(tmp_path / "policy.key", HOME).load()
    with pytest.raises(KeyProviderUnavailable, match="no policy key"):
        PolicyKeyFile(tmp_path / "missing").load()
