"""Rotating a tenant's key: a million data keys wrapped anew in one run, while others open and make keys."""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from tests.benchmarks.places import scratch
from tests.benchmarks.table import Row, at_least

from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.key_store import SqlKeyStore
from domicile.adapters.db.migrate import KEYS, upgrade
from domicile.adapters.identity.clock import SystemClock
from domicile.adapters.keys.file_provider import FileKeyProvider
from domicile.adapters.keys.ring import StoredKeyRing, data_key_context
from domicile.adapters.keys.rotation import StoredKeyRotation
from domicile.config import resource_dir
from domicile.crypto.envelope import seal
from domicile.domain.errors import DomicileError
from domicile.domain.values import Region
from domicile.ports.key_store import WrappedDataKey
from domicile.ports.keys import ROOT_PROVIDER

DATA_KEYS = 1_000_000
FLOOR_PER_SECOND = 20_000
#: Seconds between two requests of the one who goes on working meanwhile.
PAUSE_SECONDS = 0.02
_AT_ONCE = 10_000
_TENANT, _REGION, _CLOCK = UUID(int=1), Region("eu-de"), SystemClock()


def run() -> list[Row]:
    with scratch() as folder:
        return asyncio.run(_measured(folder))


async def _measured(folder: Path) -> list[Row]:
    await upgrade(_url(folder), folder=resource_dir("migrations"), schema=KEYS)
    FileKeyProvider(folder / "root.key", _REGION).create()
    async with _opened(folder) as (store, ring):
        rotation = StoredKeyRotation(store=store, ring=ring, region=_REGION)
        await _fill(store, ring)
        await rotation.begin(_TENANT)
        # Another process, as a service is beside the command that rotates.
        command = (sys.executable, "-m", "tests.benchmarks.bench_keys", str(folder))
        other = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        assert other.stdout is not None
        await other.stdout.readline()
        began, done = time.perf_counter(), 0
        async for count in rotation.rewrap(_TENANT):
            done += count
        seconds = time.perf_counter() - began
        told, _ = await other.communicate(b"")  # ends its input
    waits, failures = json.loads(told)
    return [
        at_least("data keys wrapped anew per second, file provider, SQLite", done / seconds, FLOOR_PER_SECOND),
        Row("  keys in one run", done, ""),
        Row("  opened and made by another process meanwhile", len(waits), ""),
        Row("  of them failed", failures, ""),
        Row("  their wait, median", statistics.median(waits) * 1000, "ms"),
        Row("  their wait, longest", max(waits) * 1000, "ms"),
    ]


def _url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'keys.db'}"


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[tuple[SqlKeyStore, StoredKeyRing]]:
    store, provider = SqlKeyStore(SqlDatabase(_url(folder))), FileKeyProvider(folder / "root.key", _REGION)
    try:
        yield store, StoredKeyRing(store=store, providers={ROOT_PROVIDER: provider}, region=_REGION, clock=_CLOCK)
    finally:
        await store.close()


async def _fill(store: SqlKeyStore, ring: StoredKeyRing) -> None:
    wrapper, now = await ring.tenant_keys.latest(_TENANT), _CLOCK.now()
    for start in range(1, DATA_KEYS + 1, _AT_ONCE):
        ids = [UUID(int=number) for number in range(start, start + _AT_ONCE)]
        keys = [
            WrappedDataKey(
                id_, _TENANT, wrapper.id, seal(wrapper, data_key_context(_TENANT, _REGION, id_), os.urandom(32)), now
            )
            for id_ in ids
        ]
        await store.add_data_keys(keys)


async def _work(folder: Path) -> None:
    """Opens some key and makes one, again and again until the input ends; tells how long each took, and how many failed."""
    waits: list[float] = []
    failures, chosen = 0, random.Random(0)  # noqa: S311
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    async with _opened(folder) as (_, ring):
        print("ready", flush=True)
        while not ended.done():
            began = time.perf_counter()
            try:
                await ring.open(_TENANT, UUID(int=chosen.randint(1, DATA_KEYS)))
                await ring.create(_TENANT, [_CLOCK.new_id()])
            except DomicileError:
                failures += 1
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE_SECONDS)
    print(json.dumps([waits, failures]))


if __name__ == "__main__":
    asyncio.run(_work(Path(sys.argv[1])))
