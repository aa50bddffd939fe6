"""A signer whose key everybody knows."""

from __future__ import annotations

from domicile.answers.receipts import Located, Receipts
from domicile.crypto.erasure_receipt import ErasureSigner
from domicile.crypto.signatures import SigningKey
from domicile.domain.values import Region
from domicile.ports.clock import Clock

HOME = Region("eu-de")


def memory_receipts(clock: Clock, seed: bytes = b"receipts" * 4, cell: str = "test", region: Region = HOME) -> Receipts:
    return Receipts(key=SigningKey(seed), cell=cell, region=region, embedding=Located("hash", region.name), clock=clock)


def memory_erasure_signer(seed: bytes = b"receipts" * 4, cell: str = "test", region: Region = HOME) -> ErasureSigner:
    return ErasureSigner(key=SigningKey(seed), cell=cell, region=region.name)
