"""The four stores that a document version is in."""

from __future__ import annotations

from dataclasses import dataclass

from domicile.ports.blobs import BlobStore
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database
from domicile.ports.vector_index import VectorIndex


@dataclass(frozen=True, slots=True)
class Stores:
    """All of one cell."""

    database: Database
    keys: KeyRing
    blobs: BlobStore
    index: VectorIndex
