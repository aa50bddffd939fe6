"""Erasures, built from settings."""

from __future__ import annotations

from domicile.access.gate import Gate
from domicile.bootstrap.receipts import receipt_key_file
from domicile.bootstrap.residency import cell_region
from domicile.config import Settings
from domicile.crypto.erasure_receipt import ErasureSigner
from domicile.ingestion.removal import erase_document
from domicile.ingestion.stores import Stores
from domicile.lifecycle.erasure_run import ErasureRun
from domicile.lifecycle.erasure_stores import ErasableStores
from domicile.lifecycle.erasures import ErasureBook
from domicile.lifecycle.restored import Restored
from domicile.ports.clock import Clock
from domicile.ports.key_store import KeyStore
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database


def erasure_book(settings: Settings, database: Database, keys: KeyRing, gate: Gate, clock: Clock) -> ErasureBook:
    return ErasureBook(database=database, keys=keys, gate=gate, clock=clock, approval=settings.erasure_approval)


def erasure_run(settings: Settings, stores: Stores, key_store: KeyStore, gate: Gate, clock: Clock) -> ErasureRun:
    """Signs with the key of the cell's receipts, which is made if there is none."""
    key = receipt_key_file(settings).load_or_create()
    return ErasureRun(
        stores=_erasable(stores, key_store),
        gate=gate,
        clock=clock,
        erase_document=erase_document,
        signer=ErasureSigner(key=key, cell=settings.cell, region=cell_region(settings).name),
    )


def restored(stores: Stores, key_store: KeyStore, gate: Gate, clock: Clock) -> Restored:
    return Restored(stores=_erasable(stores, key_store), gate=gate, clock=clock)


def _erasable(stores: Stores, key_store: KeyStore) -> ErasableStores:
    return ErasableStores(stores.database, stores.keys, key_store, stores.index, stores.blobs)
