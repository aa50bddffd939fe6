"""The receipt key's file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from domicile.adapters.keys.signing_key import ReceiptKeyFile
from domicile.domain.errors import KeyFileExposed, KeyProviderUnavailable, ResidencyViolation
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
