"""The root key's file: how it is made, and every state of it that is refused."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest

from domicile.adapters.keys.file_provider import FileKeyProvider
from domicile.domain.errors import (
    ConfigurationError,
    DecryptionFailed,
    DomicileError,
    KeyFileExposed,
    KeyProviderUnavailable,
    ResidencyViolation,
)
from domicile.domain.values import Region

EU, US = Region("eu-de"), Region("us-va")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cell.keys" / "root.key"


@pytest.fixture
def made(path: Path) -> Path:
    FileKeyProvider(path, EU).create()
    return path


def refusal(path: Path, expected: type[DomicileError], region: Region = EU) -> DomicileError:
    with pytest.raises(expected) as caught:
        FileKeyProvider(path, region).load()
    return caught.value


def test_a_new_key_is_the_owners_alone(made: Path) -> None:
    """The file has mode 0600 in a folder of mode 0700, names its region, and nothing else is left there."""
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    assert made.read_text().startswith("domicile-root-key 1 eu-de ")
    assert [each.name for each in made.parent.iterdir()] == ["root.key"]


def test_a_key_is_never_replaced(made: Path) -> None:
    """Creating again is refused and leaves the key as it was."""
    before = made.read_bytes()
    with pytest.raises(ConfigurationError):
        FileKeyProvider(made, EU).create()
    assert made.read_bytes() == before
    assert [each.name for each in made.parent.iterdir()] == ["root.key"]


def test_a_dangling_link_is_not_written_through(path: Path, tmp_path: Path) -> None:
    """A link that someone left in the key's place does not decide where the key goes."""
    path.parent.mkdir(mode=0o700)
    path.symlink_to(tmp_path / "elsewhere")
    provider = FileKeyProvider(path, EU)
    assert provider.exists()
    with pytest.raises(ConfigurationError):
        provider.create()
    assert not (tmp_path / "elsewhere").exists()


async def test_a_missing_key_is_never_made_up(path: Path) -> None:
    """Without its file the provider refuses, says where it looked, and creates nothing."""
    provider = FileKeyProvider(path, EU)
    assert not provider.exists()
    assert str(path) in str(refusal(path, KeyProviderUnavailable))
    with pytest.raises(KeyProviderUnavailable):
        await provider.wrap(b"k" * 32, b"context")
    assert not provider.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o660, 0o666, 0o777])
def test_a_key_that_others_can_reach_is_refused(made: Path, mode: int) -> None:
    """Any right of the group or of others on the file is refused, whatever it is."""
    made.chmod(mode)
    refusal(made, KeyFileExposed)


def test_a_link_to_an_exposed_key_is_refused(made: Path, tmp_path: Path) -> None:
    """The rights that count are the file's own; a link to a safe file is fine, as secrets are often mounted that way."""
    link = tmp_path / "linked.key"
    link.symlink_to(made)
    FileKeyProvider(link, EU).load()
    made.chmod(0o644)
    refusal(link, KeyFileExposed)


def test_another_users_key_is_refused(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns the file can change its rights, so it has to be this user."""
    owner = made.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    refusal(made, KeyFileExposed)


@pytest.mark.parametrize(("mode", "refused"), [(0o770, True), (0o707, True), (0o750, False), (0o1777, False)])
def test_the_folder_must_not_let_others_swap_the_key(made: Path, mode: int, *, refused: bool) -> None:
    """Others may not be able to put another key in this one's place; a sticky folder does not let them."""
    made.parent.chmod(mode)
    if refused:
        refusal(made, KeyFileExposed)
    else:
        FileKeyProvider(made, EU).load()


def test_a_key_of_another_region_is_refused(made: Path) -> None:
    """One region's key file cannot start another region's cell."""
    error = refusal(made, ResidencyViolation, US)
    assert "eu-de" in str(error)
    assert "us-va" in str(error)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "domicile-root-key 1 eu-de 00000000-0000-0000-0000-000000000000\n",
        "domicile-root-key 1 eu-de 00000000-0000-0000-0000-000000000000\nc2hvcnQ=\n",
        "domicile-root-key 1 eu-de 00000000-0000-0000-0000-000000000000\n" + "!" * 44 + "\n",
        "domicile-root-key 1 eu-de not-an-id\n" + "a" * 43 + "=\n",
        "domicile-root-key 2 eu-de 00000000-0000-0000-0000-000000000000\n" + "a" * 43 + "=\n",
        "-----BEGIN PRIVATE KEY-----\nsecretsecretsecret\n-----END PRIVATE KEY-----\n",
        "é" * 100,
    ],
)
def test_what_is_no_key_file_is_refused(made: Path, content: str) -> None:
    """A truncated, altered or foreign file is refused without its content in the error or behind it."""
    made.write_text(content)
    error = refusal(made, KeyProviderUnavailable)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert str(error) == f"The file at {made} is not a root key."


def test_what_is_no_file_is_refused(path: Path) -> None:
    """A folder or a pipe in the key's place is refused, and does not block."""
    path.parent.mkdir(mode=0o700)
    os.mkfifo(path, 0o600)
    refusal(path, KeyProviderUnavailable)
    path.unlink()
    path.mkdir(mode=0o700)
    refusal(path, KeyProviderUnavailable)


async def test_the_same_file_unwraps_after_a_restart(made: Path) -> None:
    """What was wrapped before opens with a provider that reads the file anew; a provider with another key cannot."""
    wrapped = await FileKeyProvider(made, EU).wrap(b"k" * 32, b"context")
    assert await FileKeyProvider(made, EU).unwrap(wrapped, b"context") == b"k" * 32
    other = FileKeyProvider(made.with_name("other.key"), EU)
    other.create()
    with pytest.raises(DecryptionFailed):
        await other.unwrap(wrapped, b"context")


def test_the_key_does_not_show(made: Path) -> None:
    """A dump of the provider's attributes shows neither the key's text nor its bytes."""
    provider = FileKeyProvider(made, EU)
    provider.load()
    encoded = made.read_text().splitlines()[1]
    shown = repr(provider) + repr(vars(provider))
    assert encoded not in shown
    assert repr(base64.b64decode(encoded))[2:12] not in shown


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """When the key cannot be written, the error says where."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(KeyProviderUnavailable, match=r"file/root\.key"):
        FileKeyProvider(tmp_path / "file" / "root.key", EU).create()
