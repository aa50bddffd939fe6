"""Key providers as settings describe them, and what the cell does about those that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.key_services import PIN, MotoKms, SoftToken
from tests.fakes.keys import MemoryKeyProvider
from tests.fakes.provider_files import entry, provider_file
from tests.fakes.transit_server import TOKEN, TransitKeys, TransitServer

from domicile.adapters.egress.destinations import Destination
from domicile.adapters.egress.guard import EgressGuard
from domicile.adapters.egress.outbound import Outbound
from domicile.adapters.keys.file_provider import FileKeyProvider
from domicile.bootstrap.keys import key_providers, own_key_file, provider_states, require_usable
from domicile.bootstrap.residency import addresses
from domicile.config import Settings
from domicile.domain.errors import ConfigurationError, KeyFileExposed, KeyProviderUnavailable
from domicile.domain.values import Region

EU = Region("eu-de")


class Guard(EgressGuard):
    """Remembers what was permitted."""

    def __init__(self) -> None:
        super().__init__()
        self.permitted: list[Destination] = []

    def permit(self, destination: Destination) -> None:
        self.permitted.append(destination)
        super().permit(destination)


def secret(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text + "\n")
    return str(folder / name)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A cell whose root key is a token's, with a tenant's key in KMS and one in Vault."""
    token = SoftToken(tmp_path, monkeypatch)
    token.generate("domicile/eu-de/1")
    keys = TransitKeys()
    keys.create("domicile")
    vault, kms = TransitServer(keys), MotoKms()
    own = entry("pkcs11", "root", module=str(token.module), token_label=token.label, pin_file=secret(tmp_path, "pin", PIN))
    in_vault = entry("vault", "globex", address=vault.address, token_file=secret(tmp_path, "token", TOKEN))
    in_kms = entry(
        "aws-kms",
        endpoint=kms.account.endpoint,
        key_id=kms.create_key(),
        secret_key_file=secret(tmp_path, "kms", "secret-access-key-of-the-test"),
    )
    in_file = entry("file", "initech", path=str(tmp_path / "initech.key"))
    FileKeyProvider(tmp_path / "initech.key", EU).create()
    yield Settings(
        data_dir=tmp_path / "cell", region="eu-de", key_providers_file=provider_file(tmp_path, own, in_kms, in_vault, in_file)
    )
    vault.stop()
    kms.stop()


async def test_each_kind_is_built_and_serves(settings: Settings) -> None:
    """By its name, in its region; and what is outside is reached by way of the factory of addresses, and nowhere else."""
    guard = Guard()
    providers = key_providers(settings, Outbound(addresses(settings), guard))
    assert list(providers) == ["root", "acme", "globex", "initech"]
    assert {(name, provider.name, provider.region) for name, provider in providers.items()} == {
        (name, name, EU) for name in providers
    }
    assert len(guard.permitted) == 2
    await require_usable(providers)
    for provider in providers.values():
        assert await provider.unwrap(await provider.wrap(b"k" * 32, b"context"), b"context") == b"k" * 32
        await provider.close()


async def test_their_states_are_shown(settings: Settings, tmp_path: Path) -> None:
    """Where each is and whether it could wrap now, with a sentence for one that could not, and no secret."""
    (tmp_path / "initech.key").unlink()
    (tmp_path / "token").write_text("hvs.another-token")
    shown = {each.name: each for each in await provider_states(settings, Outbound(addresses(settings), EgressGuard()))}
    assert [(each.kind, each.region, each.state) for each in shown.values()] == [
        ("pkcs11", "eu-de", "ok"),
        ("aws-kms", "eu-de", "ok"),
        ("vault", "eu-de", "key-provider-unavailable"),
        ("file", "eu-de", "key-provider-unavailable"),
    ]
    assert shown["root"].address == "PKCS#11 module on this machine"
    assert shown["acme"].address.startswith("http://127.0.0.1:")
    assert "refused with Forbidden" in shown["globex"].detail
    assert "another-token" not in str(shown)


@pytest.mark.parametrize("file", ["pin", "token", "kms"])
def test_a_secret_that_is_missing_shows_at_the_start(settings: Settings, tmp_path: Path, file: str) -> None:
    """Not at the first document of that tenant."""
    outbound = Outbound(addresses(settings), EgressGuard())
    (tmp_path / file).write_text("\n")
    with pytest.raises(ConfigurationError, match="is empty"):
        key_providers(settings, outbound)
    (tmp_path / file).unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        key_providers(settings, outbound)


async def test_a_tenants_provider_that_is_down_stops_nobody_else(tmp_path: Path) -> None:
    """The cell's own has to be there; a tenant's may be taken away by the tenant, and that is what it is for."""
    providers: dict[str, Any] = {name: MemoryKeyProvider(name=name) for name in ("root", "acme")}
    providers["acme"].broken = True
    await require_usable(providers)
    providers["root"].broken = True
    with pytest.raises(KeyProviderUnavailable):
        await require_usable(providers)


async def test_a_tenants_provider_that_is_unsafe_stops_the_start(tmp_path: Path) -> None:
    """What does not go away by waiting is for the operator to put right."""
    FileKeyProvider(tmp_path / "root.key", EU).create()
    (tmp_path / "root.key").chmod(0o644)
    with pytest.raises(KeyFileExposed):
        await require_usable({"root": MemoryKeyProvider(), "acme": FileKeyProvider(tmp_path / "root.key", EU, "acme")})


def test_only_a_key_file_is_the_cells_to_make(tmp_path: Path) -> None:
    """For any other provider nothing is created."""
    plain = Settings(data_dir=tmp_path / "cell", region="eu-de")
    made = own_key_file(plain)
    assert made
    assert made.path == plain.root_key_path
    listed = Settings(
        data_dir=tmp_path / "cell", region="eu-de", key_providers_file=provider_file(tmp_path, entry("vault", "root"))
    )
    assert own_key_file(listed) is None
