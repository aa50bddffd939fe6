"""The root key's file: how it is made, and every state of it that is refused."""

from __future__ import annotations

import asyncio
import base64
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from domicile.adapters.keys import file_provider as module
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


def text(path: Path) -> str:
    return path.read_text()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def set_rights(path: Path, rights: int) -> None:
    path.chmod(rights)


def replaced(path: Path) -> None:
    """By another key."""
    path.unlink()
    FileKeyProvider(path, EU).create()


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


async def test_a_rotation_adds_a_version_and_keeps_the_others(made: Path) -> None:
    """The file grows by one version, the newest last, with the same mode; a provider that reads it anew opens both."""
    before = text(made)
    provider = FileKeyProvider(made, EU)
    old = await provider.wrap(b"k" * 32, b"context")
    await provider.rotate()
    assert text(made).startswith(before)
    assert text(made).count("domicile-root-key 1 eu-de ") == 2
    assert mode(made) == 0o600
    assert [each.name for each in made.parent.iterdir()] == ["root.key"]
    new = await provider.wrap(b"k" * 32, b"context")
    fresh = FileKeyProvider(made, EU)
    assert await fresh.unwrap(old, b"context") == await fresh.unwrap(new, b"context") == b"k" * 32
    assert [await fresh.is_current(each) for each in (old, new)] == [False, True]


def test_rotations_at_once_lose_no_version(made: Path) -> None:
    """Ten processes that rotate at the same time add ten versions: one that was lost could have wrapped something."""
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from domicile.adapters.keys.file_provider import FileKeyProvider\n"
        "from domicile.domain.values import Region\n"
        "asyncio.run(FileKeyProvider(Path(sys.argv[1]), Region('eu-de')).rotate())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [subprocess.Popen([sys.executable, "-c", code, str(made)], env=environment) for _ in range(10)]
    assert [each.wait() for each in running] == [0] * 10
    headers = text(made).splitlines()[::2]
    assert len(set(headers)) == 11
    FileKeyProvider(made, EU).load()


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
async def test_a_rotation_that_fails_changes_nothing(made: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """A full disk, wherever it strikes, leaves the key as it was, no other file, and a provider that serves on."""
    provider = FileKeyProvider(made, EU)
    wrapped = await provider.wrap(b"k" * 32, b"context")
    before = text(made)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if step == "replace":
            patch.setattr(Path, "replace", full)
        elif step == "fsync":
            patch.setattr(os, "fsync", full)
        else:
            patch.setattr(os, "fdopen", full)
        with pytest.raises(KeyProviderUnavailable):
            await provider.rotate()
    assert text(made) == before
    assert [each.name for each in made.parent.iterdir()] == ["root.key"]
    assert await provider.unwrap(wrapped, b"context") == b"k" * 32


async def test_a_link_is_not_rotated(made: Path, tmp_path: Path) -> None:
    """Replacing the link would leave its other names with the old file; both are as they were."""
    link = tmp_path / "linked.key"
    link.symlink_to(made)
    before = text(made)
    with pytest.raises(ConfigurationError, match="is a link"):
        await FileKeyProvider(link, EU).rotate()
    assert link.is_symlink()
    assert text(made) == before


async def test_old_versions_are_removed_by_hand(made: Path) -> None:
    """What they wrapped is gone for good, from a provider that is at work as well; the newest goes on."""
    provider = FileKeyProvider(made, EU)
    wrapped = []
    for _ in range(3):
        wrapped.append(await provider.wrap(b"k" * 32, b"context"))
        await provider.rotate()
    wrapped.append(await provider.wrap(b"k" * 32, b"context"))
    await asyncio.to_thread(made.write_text, "".join(text(made).splitlines(keepends=True)[4:]))
    for each in wrapped[:2]:
        with pytest.raises(DecryptionFailed):
            await provider.unwrap(each, b"context")
    for each in wrapped[2:]:
        assert await provider.unwrap(each, b"context") == b"k" * 32
    assert await provider.is_current(wrapped[3])


async def test_there_are_not_more_versions_than_are_read(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file never outgrows what a start reads of it: the rotation before that is refused, and changes nothing."""
    provider = FileKeyProvider(made, EU)
    monkeypatch.setattr(module, "_MOST_VERSIONS", 3)
    await provider.rotate()
    await provider.rotate()
    before = text(made)
    with pytest.raises(ConfigurationError, match="3 versions"):
        await provider.rotate()
    assert text(made) == before


async def test_a_file_that_was_exposed_or_swapped_serves_nobody(made: Path) -> None:
    """Also after it was read: its rights and its content are what counts at the moment of use."""
    provider = FileKeyProvider(made, EU)
    wrapped = await provider.wrap(b"k" * 32, b"context")
    set_rights(made, 0o644)
    with pytest.raises(KeyFileExposed):
        await provider.unwrap(wrapped, b"context")
    set_rights(made, 0o600)
    assert await provider.unwrap(wrapped, b"context") == b"k" * 32
    replaced(made)
    with pytest.raises(DecryptionFailed):
        await provider.unwrap(wrapped, b"context")


def test_versions_of_two_regions_are_no_key(made: Path) -> None:
    """Every version names its region, and one of another region makes the file another region's; one twice makes it none."""
    first = text(made)
    other = made.with_name("other.key")
    FileKeyProvider(other, US).create()
    made.write_text(first + other.read_text())
    refusal(made, ResidencyViolation)
    made.write_text(first + first)
    refusal(made, KeyProviderUnavailable)
