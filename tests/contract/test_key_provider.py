"""What every key provider does: the file, PKCS#11 (SoftHSM2), AWS KMS (moto's server), Vault's transit, and the fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.key_services import MotoKms, SoftToken
from tests.fakes.keys import MemoryKeyProvider
from tests.fakes.transit_server import TOKEN, TransitKeys, TransitServer

from domicile.adapters.keys.aws_kms import AwsKmsProvider
from domicile.adapters.keys.file_provider import FileKeyProvider
from domicile.adapters.keys.pkcs11_provider import Pkcs11KeyProvider
from domicile.adapters.keys.vault import TransitKey, VaultTransitProvider
from domicile.domain.errors import ConfigurationError, DecryptionFailed, DomicileError, KeyProviderUnavailable
from domicile.domain.values import Region

KEY = bytes(range(32))
EU, US = Region("eu-de"), Region("us-va")


class FileBench:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "root.key"
        FileKeyProvider(self._path, EU).create()

    def provider(self, region: Region = EU) -> Any:
        return FileKeyProvider(self._path, region, "acme")

    def down(self) -> None:
        self._path.rename(self._path.with_name("away.key"))

    def up(self) -> None:
        self._path.with_name("away.key").rename(self._path)

    def close(self) -> None: ...


class Pkcs11Bench:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._token = SoftToken(folder, monkeypatch)
        self._token.generate("domicile/eu-de/1")

    def provider(self, region: Region = EU) -> Any:
        return Pkcs11KeyProvider("acme", region, self._token.module, self._token.label, lambda: self._token.pin)

    def down(self) -> None:
        self._token.remove()

    def up(self) -> None:
        self._token.put_back()

    def close(self) -> None: ...


class KmsBench:
    """There is nothing to rotate for the provider: its next version is another key, named in its configuration."""

    def __init__(self) -> None:
        self._server = MotoKms()
        self._keys = [self._server.create_key()]

    def provider(self, region: Region = EU) -> Any:
        return AwsKmsProvider("acme", region, self._server.account, self._keys[-1], self._keys[:-1])

    def another_key(self) -> None:
        self._keys.append(self._server.create_key())

    def down(self) -> None:
        self._server.stop()

    def up(self) -> None:
        self._server.start()

    def close(self) -> None:
        self._server.stop()


class VaultBench:
    def __init__(self) -> None:
        keys = TransitKeys()
        keys.create("domicile")
        self._server = TransitServer(keys)

    def provider(self, region: Region = EU) -> Any:
        key = TransitKey(address=self._server.address, mount="transit", key="domicile")
        return VaultTransitProvider("acme", region, key, lambda: TOKEN)

    def down(self) -> None:
        self._server.stop()

    def up(self) -> None:
        self._server.start()

    def close(self) -> None:
        self._server.stop()


class FakeBench:
    def __init__(self) -> None:
        self._made = MemoryKeyProvider(EU, name="acme")

    def provider(self, region: Region = EU) -> Any:
        return self._made if region == EU else MemoryKeyProvider(region, b"else" * 8, "acme")

    def down(self) -> None:
        self._made.broken = True

    def up(self) -> None:
        self._made.broken = False

    def close(self) -> None: ...


@pytest.fixture(params=["file", "pkcs11", "aws-kms", "vault", "fake"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made: Any
    match request.param:
        case "file":
            made = FileBench(tmp_path)
        case "pkcs11":
            made = Pkcs11Bench(tmp_path, monkeypatch)
        case "aws-kms":
            made = KmsBench()
        case "vault":
            made = VaultBench()
        case _:
            made = FakeBench()
    yield made
    made.close()


@pytest.fixture
async def provider(bench: Any) -> AsyncIterator[Any]:
    opened = bench.provider()
    yield opened
    await opened.close()


async def rotated(bench: Any, provider: Any) -> Any:
    """The provider after a rotation; for KMS, the one with the changed configuration."""
    if isinstance(bench, KmsBench):
        bench.another_key()
        await provider.close()
        return bench.provider()
    await provider.rotate()
    return provider


async def test_what_was_wrapped_unwraps(provider: Any) -> None:
    """The key comes back under the same context, and the wrapped form does not hold it."""
    wrapped = await provider.wrap(KEY, b"tenant 1")
    assert await provider.unwrap(wrapped, b"tenant 1") == KEY
    assert KEY[:8] not in wrapped


async def test_wrapping_twice_differs(provider: Any) -> None:
    """The same key wrapped twice does not look the same."""
    assert await provider.wrap(KEY, b"tenant 1") != await provider.wrap(KEY, b"tenant 1")


@pytest.mark.parametrize("context", [b"", b"tenant 2", b"tenant 1 ", b"\x00" * 64])
async def test_another_context_does_not_unwrap(provider: Any, context: bytes) -> None:
    """A wrapped key that was moved to another tenant's row is useless there."""
    wrapped = await provider.wrap(KEY, b"tenant 1")
    with pytest.raises(DecryptionFailed):
        await provider.unwrap(wrapped, context)


async def test_nothing_is_wrapped_without_a_context(provider: Any) -> None:
    """It would unwrap anywhere."""
    with pytest.raises(ValueError, match="context"):
        await provider.wrap(KEY, b"")


async def test_altered_bytes_do_not_unwrap(provider: Any) -> None:
    """A flipped bit, missing bytes, additional ones or none at all fail alike."""
    wrapped = await provider.wrap(KEY, b"tenant 1")
    flipped = [wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :] for at in range(len(wrapped))]
    for altered in (*flipped, *(wrapped[:length] for length in range(8)), wrapped[:-1], wrapped[1:], wrapped + b"\x00"):
        with pytest.raises(DecryptionFailed) as caught:
            await provider.unwrap(altered, b"tenant 1")
        assert str(caught.value) == DecryptionFailed.title
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


async def test_it_says_who_and_where_it_is(provider: Any) -> None:
    """Tenants' keys go by its name, and residency is checked against its region at the start."""
    assert (provider.name, provider.region) == ("acme", EU)


async def test_another_regions_provider_unwraps_nothing(bench: Any, provider: Any) -> None:
    """Also where it is pointed to the same key: the region is part of what is authenticated, or of the key's own name."""
    wrapped = await provider.wrap(KEY, b"tenant 1")
    elsewhere = bench.provider(US)
    with pytest.raises(DomicileError):
        await elsewhere.unwrap(wrapped, b"tenant 1")
    await elsewhere.close()
    assert await provider.unwrap(wrapped, b"tenant 1") == KEY


async def test_a_rotation_keeps_what_was_wrapped_before(bench: Any, provider: Any) -> None:
    """Old wrapped keys still unwrap, new ones are under the new version, and it can be told which are which."""
    old = await provider.wrap(KEY, b"tenant 1")
    assert await provider.is_current(old)
    after = await rotated(bench, provider)
    new = await after.wrap(KEY, b"tenant 1")
    assert not await after.is_current(old)
    assert await after.is_current(new)
    assert await after.unwrap(old, b"tenant 1") == await after.unwrap(new, b"tenant 1") == KEY
    again = await rotated(bench, after)
    assert not await again.is_current(new)
    assert await again.unwrap(old, b"tenant 1") == KEY
    await again.close()


@pytest.mark.parametrize("bench", ["file", "pkcs11", "vault", "fake"], indirect=True)  # KMS: they are in its configuration
async def test_a_rotation_by_somebody_else_counts_at_once(bench: Any, provider: Any) -> None:
    """A service that runs meanwhile unwraps what is wrapped with the new version, and wraps with it itself."""
    old = await provider.wrap(KEY, b"tenant 1")
    other = bench.provider()
    await other.rotate()
    new = await other.wrap(KEY, b"tenant 1")
    assert await provider.unwrap(new, b"tenant 1") == KEY
    assert await provider.is_current(await provider.wrap(KEY, b"tenant 2"))
    assert not await provider.is_current(old)
    await other.close()


@pytest.mark.parametrize("bench", ["aws-kms"], indirect=True)
async def test_what_cannot_rotate_says_what_to_do(provider: Any) -> None:
    """And changes nothing."""
    wrapped = await provider.wrap(KEY, b"tenant 1")
    with pytest.raises(ConfigurationError) as caught:
        await provider.rotate()
    assert "older_key_ids" in caught.value.advice
    assert await provider.is_current(wrapped)


@pytest.mark.parametrize("alien", [b"", b"\x01", b"\x01\x09\x00\x01x" + b"y" * 90, b"\x00" * 100])
async def test_what_nobody_wrapped_is_neither_current_nor_old(provider: Any, alien: bytes) -> None:
    """Bytes of another form are refused, not taken for something to be wrapped again."""
    with pytest.raises(DecryptionFailed):
        await provider.is_current(alien)


async def test_a_provider_that_is_down_says_so_in_time_and_comes_back(bench: Any, provider: Any) -> None:
    """While it is down every use is refused and none hangs, without a word of what lies behind; then it serves again."""
    wrapped = await provider.wrap(KEY, b"tenant 1")
    await provider.ping()
    bench.down()
    for use in (provider.ping, lambda: provider.wrap(KEY, b"tenant 1"), lambda: provider.unwrap(wrapped, b"tenant 1")):
        async with asyncio.timeout(60):  # Far above its own limits: one that hangs fails here.
            with pytest.raises(KeyProviderUnavailable) as caught:
                await use()
        assert caught.value.__cause__ is None
        assert "secret" not in str(caught.value) + repr(caught.value.__context__)
    bench.up()
    await provider.ping()
    assert await provider.unwrap(wrapped, b"tenant 1") == KEY


async def test_many_at_once(provider: Any) -> None:
    """Twenty keys wrapped and unwrapped at the same time do not get mixed up."""

    async def there_and_back(n: int) -> bool:
        key, context = bytes([n]) * 32, b"tenant %d" % n
        return bool(await provider.unwrap(await provider.wrap(key, context), context) == key)

    assert all(await asyncio.gather(*(there_and_back(n) for n in range(1, 21))))


async def test_closing_twice_is_closing(bench: Any) -> None:
    """A provider that was closed is closed, whether or not it was ever used."""
    unused, used = bench.provider(), bench.provider()
    await used.ping()
    for each in (unused, used, used):
        await each.close()
