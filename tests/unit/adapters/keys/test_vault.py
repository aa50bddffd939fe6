"""Root keys in Vault's transit engine: the real client, against a server that speaks transit's protocol."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.certificates import Authority
from tests.fakes.transit_server import TOKEN, TransitKeys, TransitServer

from domicile.adapters.keys.vault import TransitKey, VaultTransitProvider
from domicile.domain.errors import ConfigurationError, DecryptionFailed, KeyFileExposed, KeyProviderUnavailable
from domicile.domain.values import Region

EU = Region("eu-de")
KEY = bytes(range(32))


@pytest.fixture
def keys() -> TransitKeys:
    made = TransitKeys()
    made.create("domicile")
    return made


@pytest.fixture
def server(keys: TransitKeys) -> Iterator[TransitServer]:
    started = TransitServer(keys)
    yield started
    started.stop()


def provider_at(address: str, **values: Any) -> VaultTransitProvider:
    token = values.pop("token", lambda: TOKEN)
    return VaultTransitProvider(
        "acme", EU, TransitKey(**{"address": address, "mount": "transit", "key": "domicile", **values}), token
    )


@pytest.fixture
async def provider(server: TransitServer) -> AsyncIterator[VaultTransitProvider]:
    opened = provider_at(server.address)
    yield opened
    await opened.close()


async def test_the_minimum_version_of_transit_counts(keys: TransitKeys, provider: VaultTransitProvider) -> None:
    """What is older than the server still permits does not unwrap, and what is newer does."""
    old = await provider.wrap(KEY, b"context")
    await provider.rotate()
    new = await provider.wrap(KEY, b"context")
    keys.attributes["min_decryption_version"] = 2
    with pytest.raises(DecryptionFailed):
        await provider.unwrap(old, b"context")
    assert await provider.unwrap(new, b"context") == KEY


@pytest.mark.parametrize("status", [400, 500])
async def test_a_mismatch_is_one_whatever_its_status(keys: TransitKeys, provider: VaultTransitProvider, status: int) -> None:
    """Versions of transit differ in what they answer then; trouble of its own stays trouble of its own."""
    wrapped = await provider.wrap(KEY, b"context")
    keys.status_of_mismatch = status
    with pytest.raises(DecryptionFailed):
        await provider.unwrap(wrapped, b"other context")


async def test_a_server_that_ignores_the_context_binds_it_nevertheless(
    keys: TransitKeys, provider: VaultTransitProvider
) -> None:
    """An old one does not know associated data and says nothing: the wrapped key still opens for its own context only."""
    keys.ignores_associated_data = True
    wrapped = await provider.wrap(KEY, b"tenant 1")
    assert await provider.unwrap(wrapped, b"tenant 1") == KEY
    with pytest.raises(DecryptionFailed):
        await provider.unwrap(wrapped, b"tenant 2")


async def test_a_key_that_is_gone_is_neither_made_nor_a_mismatch(keys: TransitKeys, provider: VaultTransitProvider) -> None:
    """Transit would make another one at the first encryption."""
    wrapped = await provider.wrap(KEY, b"context")
    keys.keys.clear()
    for use in (
        provider.ping,
        provider.rotate,
        lambda: provider.wrap(KEY, b"context"),
        lambda: provider.unwrap(wrapped, b"context"),
    ):
        with pytest.raises(KeyProviderUnavailable):
            await use()
    assert keys.keys == {}


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("type", "rsa-4096", ConfigurationError),
        ("type", "aes256-cbc", ConfigurationError),
        ("derived", True, ConfigurationError),
        ("exportable", True, KeyFileExposed),
        ("allow_plaintext_backup", True, KeyFileExposed),
    ],
)
async def test_a_key_of_the_wrong_sort_wraps_nothing(
    keys: TransitKeys, provider: VaultTransitProvider, attribute: str, value: object, expected: type[Exception]
) -> None:
    """One that authenticates no context, and one that can be taken out of Vault."""
    keys.attributes[attribute] = value
    for use in (provider.ping, lambda: provider.wrap(KEY, b"context")):
        with pytest.raises(expected):
            await use()


async def test_a_token_is_read_for_each_use(keys: TransitKeys, server: TransitServer) -> None:
    """An agent that renews it in its file needs no restart; one that is refused, empty or unreadable is said to be that."""
    told = {"token": "old-token-that-was-revoked"}
    provider = provider_at(server.address, token=lambda: told["token"])
    with pytest.raises(KeyProviderUnavailable, match="refused with Forbidden") as caught:
        await provider.ping()
    assert "old-token" not in str(caught.value) + repr(caught.value.__context__)
    told["token"] = ""
    with pytest.raises(KeyProviderUnavailable, match="finds nothing"):
        await provider.ping()
    told["token"] = TOKEN
    await provider.ping()
    await provider.close()


async def test_a_sealed_vault_is_unavailable_until_it_is_unsealed(keys: TransitKeys, provider: VaultTransitProvider) -> None:
    """Sealing is its owner's emergency stop."""
    wrapped = await provider.wrap(KEY, b"context")
    keys.sealed = True
    with pytest.raises(KeyProviderUnavailable, match="refused with VaultDown"):
        await provider.unwrap(wrapped, b"context")
    keys.sealed = False
    assert await provider.unwrap(wrapped, b"context") == KEY


async def test_a_server_that_is_slow_is_not_waited_for(keys: TransitKeys, provider: VaultTransitProvider) -> None:
    """The bound holds for the whole call."""
    keys.seconds = 30.0
    started = time.monotonic()
    with pytest.raises(KeyProviderUnavailable):
        await provider.ping()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html>hello</html>",
        b"[]",
        b"{}",
        b'{"data": null}',
        b'{"data": []}',
        b'{"data": {"ciphertext": 3, "plaintext": 3, "type": "aes256-gcm96"}}',
        b'{"data": {"ciphertext": "vault:v1:!", "plaintext": "!", "type": "aes256-gcm96"}}',
        b'{"data": {"ciphertext": "x", "plaintext": null, "type": ["aes256-gcm96"]}}',
    ],
)
async def test_what_is_no_answer_of_vaults_is_unavailable(
    keys: TransitKeys, provider: VaultTransitProvider, garbage: bytes
) -> None:
    """A proxy's page, or another program at that address, ends in our error and nothing else."""
    wrapped = await provider.wrap(KEY, b"context")
    keys.garbage = garbage
    for use in (lambda: provider.wrap(KEY, b"context"), lambda: provider.unwrap(wrapped, b"context")):
        with pytest.raises((KeyProviderUnavailable, ConfigurationError)) as caught:
            await use()
        assert caught.value.__context__ is None


async def test_the_environment_redirects_nothing(server: TransitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of Vault's own command or of a proxy that happen to be set change neither where it asks nor with what."""
    for name in ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE", "VAULT_CACERT", "VAULT_CAPATH", "VAULT_CLIENT_CERT",
                 "HTTP_PROXY", "http_proxy", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # fmt: skip
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    provider = provider_at(server.address)
    assert await provider.unwrap(await provider.wrap(KEY, b"context"), b"context") == KEY
    await provider.close()


async def test_the_server_has_to_be_the_one_that_the_ca_vouches_for(
    keys: TransitKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS is verified against the CA that was declared, and against no other, whatever the environment trusts."""
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    server = TransitServer(keys, ours.issue("vault", "127.0.0.1").server_context())
    try:
        trusting = provider_at(server.address, ca_file=str(ours.file))
        assert await trusting.unwrap(await trusting.wrap(KEY, b"context"), b"context") == KEY
        await trusting.close()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ours.file))
        for ca_file in ("", str(other.file)):
            asked = len(keys.asked)
            doubting = provider_at(server.address, ca_file=ca_file)
            with pytest.raises(KeyProviderUnavailable, match="cannot be reached"):
                await doubting.ping()
            await doubting.close()
            assert len(keys.asked) == asked
    finally:
        server.stop()
