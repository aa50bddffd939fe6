"""Who signs a cell's receipts."""

from __future__ import annotations

from domicile.adapters.keys.signing_key import ReceiptKeyFile
from domicile.answers.receipts import Located, Receipts
from domicile.bootstrap.residency import cell_region
from domicile.config import Settings
from domicile.ports.clock import Clock


def receipt_key_file(settings: Settings) -> ReceiptKeyFile:
    """Beside the root key, under the same protection."""
    return ReceiptKeyFile(settings.root_key_path.with_name("receipt.key"), cell_region(settings))


def receipts(settings: Settings, embedding: str, clock: Clock) -> Receipts:
    """Makes the key if there is none: a cell from before there were receipts gets it at its next start.

    Questions are embedded in the cell itself.
    """
    region = cell_region(settings)
    key = receipt_key_file(settings).load_or_create()
    return Receipts(key=key, cell=settings.cell, region=region, embedding=Located(embedding, region.name), clock=clock)
