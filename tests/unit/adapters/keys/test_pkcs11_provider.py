"""Root keys in a PKCS#11 token: SoftHSM2, with tokens of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from tests.fakes.key_services import PIN, SoftToken

from domicile.adapters.keys.pkcs11_module import Pkcs11Module
from domicile.adapters.keys.pkcs11_provider import Pkcs11KeyProvider
from domicile.domain.errors import ConfigurationError, DecryptionFailed, KeyFileExposed, KeyProviderUnavailable
from domicile.domain.values import Region

EU = Region("eu-de")
KEY = bytes(range(32))


class Bench:
    def __init__(self, token: SoftToken) -> None:
        self.token = token
        self.module = Pkcs11Module.joined(token.module)
        self.asked = 0

    def pin(self) -> str:
        self.asked += 1
        return self.token.pin

    def provider(self, label: str = "") -> Pkcs11KeyProvider:
        return Pkcs11KeyProvider("acme", EU, self.token.module, label or self.token.label, self.pin)

    async def in_token(self, work: Any) -> Any:
        """Done with a session of its own, in the module's thread."""

        def use() -> Any:
            with self.module.token(self.token.label).open(rw=True) as session:
                return work(session)

        return await self.module.run("test", use)


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    made = Bench(SoftToken(tmp_path, monkeypatch))
    yield made
    made.module.leave()


def keys(session: Any) -> list[Any]:
    return list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY}))


async def test_a_token_without_a_key_gets_none(bench: Bench) -> None:
    """Neither wrapping nor rotating makes a first key: one that is lost has to show. Another region's key is none, either."""
    bench.token.generate("domicile/us-va/1")
    bench.token.generate("domicile/eu-de/x")
    provider = bench.provider()
    for use in (provider.ping, provider.rotate, lambda: provider.wrap(KEY, b"context")):
        with pytest.raises(KeyProviderUnavailable, match="finds no usable root key"):
            await use()
    await provider.close()


async def test_a_rotation_makes_a_key_that_never_leaves_the_token(bench: Bench) -> None:
    """Sensitive, not extractable, made there, and good for nothing but encrypting and decrypting."""
    bench.token.generate("domicile/eu-de/9")
    provider = bench.provider()
    await provider.rotate()

    def attributes(session: Any) -> Any:
        (made,) = [key for key in keys(session) if key.label == "domicile/eu-de/10"]
        wanted = ("SENSITIVE", "EXTRACTABLE", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE", "LOCAL", "PRIVATE", "WRAP", "DERIVE")
        with pytest.raises(pkcs11.AttributeSensitive):
            made[pkcs11.Attribute.VALUE]
        return [made[pkcs11.Attribute[name]] for name in wanted]

    assert await bench.in_token(attributes) == [True, False, True, True, True, True, False, False]
    wrapped = await provider.wrap(KEY, b"context")
    assert await provider.is_current(wrapped)
    await provider.close()


@pytest.mark.parametrize("attributes", [{"extractable": True}, {"sensitive": False}])
async def test_a_key_that_can_be_taken_out_is_refused(bench: Bench, attributes: dict[str, bool]) -> None:
    """Whoever can read it from the token needs the token no more."""
    bench.token.generate("domicile/eu-de/1", **attributes)
    provider = bench.provider()
    with pytest.raises(KeyFileExposed, match="taken out of its token"):
        await provider.wrap(KEY, b"context")
    await provider.close()


async def test_a_wrong_pin_is_tried_once(bench: Bench, tmp_path: Path) -> None:
    """A token locks itself after a few wrong ones; the right one, put into the file, is tried again by itself."""
    bench.token.generate("domicile/eu-de/1")
    provider = bench.provider()
    bench.token.pin = "wrong-pin"
    for _ in range(20):
        with pytest.raises(KeyProviderUnavailable, match="PIN") as caught:
            await provider.ping()
        assert "wrong-pin" not in repr(caught.value) + str(caught.value.__context__)
    bench.token.pin = PIN
    await provider.ping()
    await provider.close()


async def test_a_pin_that_cannot_be_read_is_said(bench: Bench) -> None:
    """Without the path's content or the error behind it."""

    def unreadable() -> str:
        raise ConfigurationError("The secret file cannot be read.")

    bench.token.generate("domicile/eu-de/1")
    provider = Pkcs11KeyProvider("acme", EU, bench.token.module, bench.token.label, unreadable)
    with pytest.raises(KeyProviderUnavailable, match="file of its PIN"):
        await provider.ping()
    await provider.close()


async def test_a_token_or_module_that_is_not_there(bench: Bench, tmp_path: Path) -> None:
    """A misspelt label and a path that leads to no module are unavailable, not a crash."""
    provider = bench.provider("no-such-token")
    with pytest.raises(KeyProviderUnavailable, match="no-such-token"):
        await provider.ping()
    await provider.close()
    nowhere = Pkcs11KeyProvider("acme", EU, tmp_path / "no.so", "domicile", bench.pin)
    with pytest.raises(KeyProviderUnavailable):
        await nowhere.ping()
    await nowhere.close()


async def test_a_session_that_was_lost_is_opened_again(bench: Bench) -> None:
    """Another provider on the same module logs out, or starts the module again: the next use notices, and works."""
    bench.token.generate("domicile/eu-de/1")
    one, other = bench.provider(), bench.provider()
    wrapped = await one.wrap(KEY, b"context")
    assert await other.unwrap(wrapped, b"context") == KEY
    await one.close()  # logs out, for the whole process
    assert await other.unwrap(wrapped, b"context") == KEY
    await bench.module.run("test", bench.module._start_again)
    assert await other.unwrap(wrapped, b"context") == KEY
    await other.close()


async def test_a_key_that_was_destroyed_opens_nothing_any_more(bench: Bench) -> None:
    """Removing an old version from the token is how it is retired; the newer ones stay."""
    bench.token.generate("domicile/eu-de/1")
    provider = bench.provider()
    old = await provider.wrap(KEY, b"context")
    await provider.rotate()
    new = await provider.wrap(KEY, b"context")
    await bench.in_token(lambda session: [key.destroy() for key in keys(session) if key.label == "domicile/eu-de/1"])
    with pytest.raises(DecryptionFailed):
        await provider.unwrap(old, b"context")
    assert await provider.unwrap(new, b"context") == KEY
    await provider.close()
