"""Ingest of the handbook through the whole cell, against nothing but the model on exactly the same texts in the same run."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from tests.benchmarks.places import NO_HANDBOOK, ROOT, handbook, scratch, settings_in
from tests.benchmarks.table import Row, skipped

from domicile.access.identity import Origin
from domicile.adapters.embeddings.bulk import BulkEmbedder
from domicile.adapters.embeddings.precision import chosen_dtype
from domicile.bootstrap import Cell, initialise_cell, open_cell
from domicile.domain.principals import Caller
from domicile.domain.values import Classification, Role
from domicile.ingestion.intake import Upload

FIGURE = "ingest of the handbook ÷ raw encode of its chunks"
LEAST = 0.80
#: One small document before, so that both sides have their weights loaded when the time starts.
FIRST = [Upload("first.md", b"# First\n\nThe model is loaded when this is embedded.\n")]


def run() -> list[Row]:
    pages = handbook()
    if not pages:
        return [skipped(FIGURE, NO_HANDBOOK)]
    with scratch() as folder:
        took, texts = asyncio.run(_ingest(folder, pages))
        raw = _raw_encode(folder, texts)
    count = len(texts)
    return [
        Row(FIGURE, raw / took, least=LEAST, ratio=raw / took, against="the raw rate"),
        Row("  ingest", count / took, f"chunks/s ({count:,} chunks of {len(pages)} pages in {took:.1f} s)"),
        Row(f"  raw encode, {chosen_dtype('auto')}", count / raw, "chunks/s"),
    ]


async def _ingest(folder: Path, pages: Sequence[Upload]) -> tuple[float, list[str]]:
    """Seconds from the submission until everything is published, and the texts that were embedded."""
    settings = settings_in(folder)
    await initialise_cell(settings)
    texts: list[str] = []
    embed = BulkEmbedder.embed

    async def recorded(self: BulkEmbedder, window: Sequence[str]):
        texts.extend(window)
        return await embed(self, window)

    BulkEmbedder.embed = recorded  # type: ignore[method-assign]
    try:
        async with open_cell(settings, command="benchmark", run_jobs=True) as cell:
            caller = await _administrator(cell)
            collection = await cell.library.create_collection(caller, "handbook")
            await _submitted(cell, caller, collection.id, FIRST)
            texts.clear()
            started = time.perf_counter()
            await _submitted(cell, caller, collection.id, pages)
            return time.perf_counter() - started, texts
    finally:
        BulkEmbedder.embed = embed  # type: ignore[method-assign]


async def _submitted(cell: Cell, caller: Caller, collection_id, uploads: Sequence[Upload]) -> None:
    job = await cell.intake.submit(caller, collection_id, uploads)
    async for view in cell.progress.watch(caller, job.id):
        added = view.added
    # Some pages of the handbook hold no text and are refused.
    if not added:
        raise RuntimeError("No document was added.")


async def _administrator(cell: Cell) -> Caller:
    administration = cell.administration
    tenant = await administration.create_tenant("acme", "Acme", cell.region)
    operator = administration.operator_caller(tenant)
    user = await administration.create_user(operator, "admin", "Admin", Role.ADMINISTRATOR, Classification.CONFIDENTIAL)
    _, key = await administration.create_api_key(operator, user.id, "benchmark")
    return await cell.identity.authenticate_key(key, Origin("benchmark", ""))


def _raw_encode(folder: Path, texts: Sequence[str]) -> float:
    """Seconds, in a process of the same priority as the one that the product embeds in."""
    (folder / "texts").write_bytes(msgspec.msgpack.encode(texts))
    command = [sys.executable, "-m", "tests.benchmarks.raw_encode", str(folder / "texts")]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
