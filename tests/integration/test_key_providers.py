"""A cell whose root key is in a token, with tenants' keys in KMS and in Vault: made, opened, cut off and found again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.key_services import PIN, MotoKms, SoftToken
from tests.fakes.provider_files import entry, provider_file
from tests.fakes.transit_server import TOKEN, TransitKeys, TransitServer

from domicile.access.identity import Origin
from domicile.bootstrap import Cell, initialise_cell, open_cell
from domicile.config import Settings, load_settings
from domicile.domain.documents import JobState
from domicile.domain.errors import KeyProviderUnavailable
from domicile.domain.principals import Caller
from domicile.domain.values import Classification, Role
from domicile.ingestion.drafts import Upload
from domicile.retrieval.search import SearchQuery

TEXT = b"# Leave\n\nEvery employee gets 30 days of annual leave in each calendar year.\n"
HELD = KeyProviderUnavailable.slug


@dataclass(frozen=True)
class Surroundings:
    settings: Settings
    token: SoftToken
    vault: TransitServer


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Surroundings]:
    token, keys, kms = SoftToken(tmp_path, monkeypatch), TransitKeys(), MotoKms()
    keys.create("domicile")
    vault = TransitServer(keys)
    for name, text in (("pin", PIN), ("vault", TOKEN), ("kms", "secret-access-key-of-the-test")):
        (tmp_path / name).write_text(text)
    listed = provider_file(
        tmp_path,
        entry("pkcs11", "root", module=str(token.module), token_label=token.label, pin_file=str(tmp_path / "pin")),
        entry("vault", "acme", address=vault.address, token_file=str(tmp_path / "vault")),
        entry(
            "aws-kms",
            "globex",
            endpoint=kms.account.endpoint,
            key_id=kms.create_key(),
            secret_key_file=str(tmp_path / "kms"),
        ),
    )
    values: dict[str, Any] = {"data_dir": tmp_path / "cell", "region": "eu-de", "log_level": "error"}
    yield Surroundings(load_settings({}, **values, key_providers_file=listed), token, vault)
    vault.stop()
    kms.stop()


async def administrator_of(cell: Cell, slug: str) -> Caller:
    operator = cell.administration.operator_caller(await cell.administration.create_tenant(slug, slug, cell.region))
    person = await cell.administration.create_user(
        operator, f"{slug}-administrator", "Ada", Role.ADMINISTRATOR, Classification.INTERNAL, password=None
    )
    _, secret = await cell.administration.create_api_key(operator, person.id, "test")
    return await cell.identity.authenticate_key(secret, Origin(request_id="test", trace_id=""))


async def ingested(cell: Cell, caller: Caller) -> JobState:
    made = await cell.library.create_collection(caller, "handbook")
    job = await cell.intake.submit(caller, made.id, [Upload(source="leave.md", content=TEXT)], region=None)
    async for view in cell.progress.watch(caller, job.id):
        last = view
    return last.state


async def found(cell: Cell, caller: Caller) -> int:
    return len((await cell.search.search(caller, SearchQuery("How many days of annual leave?"))).passages)


async def test_a_cell_is_made_only_where_its_root_key_is(surroundings: Surroundings) -> None:
    """Without a key in the token nothing is made, neither there nor in a file; with one, no key file is made either."""
    with pytest.raises(KeyProviderUnavailable, match="finds no usable root key"):
        await initialise_cell(surroundings.settings)
    surroundings.token.generate("domicile/eu-de/1")
    await initialise_cell(surroundings.settings)
    assert not surroundings.settings.root_key_path.exists()


@pytest.mark.slow
async def test_a_cell_lives_with_its_root_key_in_a_token(surroundings: Surroundings) -> None:
    """What was ingested is found again by a new process; while the token is away, cached keys go on and nothing else does."""
    surroundings.token.generate("domicile/eu-de/1")
    await initialise_cell(surroundings.settings)
    async with open_cell(surroundings.settings, command="test", run_jobs=True) as cell:
        acme = await administrator_of(cell, "acme")
        assert await ingested(cell, acme) is JobState.DONE
        assert (await cell.health())["keys"] == "ok"
        surroundings.token.remove()
        assert (await cell.health())["keys"] == HELD
        assert await found(cell, acme) == 1
        with pytest.raises(KeyProviderUnavailable):
            await administrator_of(cell, "globex")
        surroundings.token.put_back()
        assert (await cell.health())["keys"] == "ok"
    # A tenant's provider that is away stops nobody else, and is nobody else's to learn about.
    surroundings.vault.stop()
    async with open_cell(surroundings.settings, command="test", run_jobs=True) as cell:
        assert await found(cell, acme) == 1
        assert set((await cell.health()).values()) == {"ok"}
    surroundings.vault.start()


def test_the_command_reaches_what_is_declared_and_says_so(surroundings: Surroundings) -> None:
    """In a process of its own, under the guard that refuses every connection that was not declared."""
    surroundings.token.generate("domicile/eu-de/1")
    settings = surroundings.settings
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "DOMICILE_DATA_DIR": str(settings.data_dir),
        "DOMICILE_REGION": settings.region,
        "DOMICILE_KEY_PROVIDERS_FILE": str(settings.key_providers_file),
    }
    command = [sys.executable, "-m", "domicile.cli", "key", "providers", "--json"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert [(each["name"], each["kind"], each["state"]) for each in json.loads(ran.stdout)] == [
        ("root", "pkcs11", "ok"),
        ("acme", "vault", "ok"),
        ("globex", "aws-kms", "ok"),
    ]
    for secret in (PIN, TOKEN, "secret-access-key-of-the-test"):
        assert secret not in ran.stdout + ran.stderr
