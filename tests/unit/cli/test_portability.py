"""``domicile export verify``, and the file that an export is written to."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from tests.security.test_hostile_bundles import ID, KEY, WHOLE, _altered, repacked
from typer.testing import CliRunner

from domicile.cli.main import app
from domicile.cli.portability import _whole
from domicile.domain.errors import BundleInvalid, CallerError
from domicile.lifecycle.bundle_reading import Bundle

RUN = CliRunner()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "acme.zip"
    path.write_bytes(WHOLE)
    return path


def test_a_whole_bundle_is_told_as_one(file: Path) -> None:
    """Whose it is, and what is in it."""
    done = RUN.invoke(app, ["export", "verify", str(file), "--key", KEY.public.text])
    assert done.exit_code == 0, done.output
    assert "A whole bundle of cell 'forger' in eu-de" in done.output


def test_the_key_may_be_in_a_file(file: Path, tmp_path: Path) -> None:
    """As a cell publishes it, or by itself."""
    key = tmp_path / "key"
    key.write_text(KEY.public.text + "\n")
    done = RUN.invoke(app, ["export", "verify", str(file), "--key", str(key), "--json"])
    told = json.loads(done.stdout)
    assert (told["signed"], told["missing"], told["added"], told["altered"]) == (True, [], [], [])


def test_what_was_altered_is_named(file: Path) -> None:
    """Also where nobody asks whose it is."""
    path = f"documents/{ID}/original"
    file.write_bytes(repacked(WHOLE, _altered(path)))
    done = RUN.invoke(app, ["export", "verify", str(file), "--unverified"])
    assert isinstance(done.exception, BundleInvalid)
    assert f"1 altered, such as {path}" in str(done.exception)


@pytest.mark.parametrize("arguments", [[], ["--key", KEY.public.text, "--unverified"]])
def test_a_bundle_is_not_believed_by_accident(file: Path, arguments: list[str]) -> None:
    """Either a key or the word that none is needed."""
    done = RUN.invoke(app, ["export", "verify", str(file), *arguments])
    assert isinstance(done.exception, CallerError)


@pytest.mark.parametrize("arguments", [[], ["--me", "--user", "mia"], ["P-17", "--me"], ["P-17", "--user", "mia"]])
def test_it_has_to_be_clear_who_is_exported(tmp_path: Path, arguments: list[str]) -> None:
    """One of the three."""
    done = RUN.invoke(app, ["export", "subject", "--to", str(tmp_path / "a.zip"), *arguments])
    assert isinstance(done.exception, CallerError)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """Only its owner can read it, while it is written, too; what breaks off leaves nothing."""
    path = tmp_path / "a.zip"
    with _whole(path) as file:
        file.write(b"half")
        assert not path.exists()
        (partial,) = tmp_path.iterdir()
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600
    assert path.read_bytes() == b"half"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def _broken_off(path: Path) -> None:
    with _whole(path) as file:
        file.write(WHOLE[:100])
        Bundle.open(file)


def test_what_was_broken_off_leaves_nothing(tmp_path: Path) -> None:
    """Neither the file nor what it was written to before."""
    with pytest.raises(BundleInvalid):
        _broken_off(tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_overwritten(file: Path) -> None:
    """Not even if it came while the bundle was written."""
    with pytest.raises(CallerError, match="there already"), _whole(file):
        pass
    other = file.with_name("other.zip")

    def raced() -> None:
        with _whole(other) as written:
            written.write(b"ours")
            other.write_bytes(b"theirs")

    with pytest.raises(CallerError, match="there already"):
        raced()
    assert other.read_bytes() == b"theirs"
    assert sorted(file.parent.iterdir()) == sorted([file, other])
