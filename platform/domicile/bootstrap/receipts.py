"""Who signs a cell's receipts."""

from __future__ import annotations

from domicile.adapters.keys.signing_key import ReceiptKeyFile
from domicile.answers.receipts import Located, PublishedKey, Receipts
from domicile.bootstrap.residency import cell_region
from domicile.config import Settings, load_settings
from domicile.ports.clock import Clock


def receipt_key_file(settings: Settings) -> ReceiptKeyFile:
    """Beside the root key, under the same protection."""
    return ReceiptKeyFile(settings.root_key_path.with_name("receipt.key"), cell_region(settings))


def published_key(settings: Settings | None = None) -> PublishedKey:
    """What others verify the cell's receipts and bundles with. Opens nothing; raises as ``ReceiptKeyFile.load`` does."""
    settings = settings or load_settings()
    key = receipt_key_file(settings).load()
    return PublishedKey.of(key.public, settings.cell, cell_region(settings).name)


def receipts(settings: Settings, embedding: str, clock: Clock) -> Receipts:
    """Makes the key if there is none: a cell from before there were receipts gets it at its next start.

    Questions are embedded in the cell itself.
    """
    region = cell_region(settings)
    key = receipt_key_file(settings).load_or_create()
    return Receipts(key=key, cell=settings.cell, region=region, embedding=Located(embedding, region.name), clock=clock)
