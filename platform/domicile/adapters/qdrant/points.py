"""How a chunk lies in a Qdrant collection: the same layout, embedded or on a server.

The payload holds opaque ids, the filter attributes and the chunk's text as an envelope. The engine takes JSON, so the
envelope is base64 text: a third larger, and the cheapest encoding that both engines pass through unchanged.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

import numpy as np

from domicile.domain.documents import DocumentAttributes
from domicile.domain.errors import VectorIndexUnavailable
from domicile.domain.marks import FOREVER, NOBODY, Validity
from domicile.domain.values import Classification, Region
from domicile.policy.scope import Field
from domicile.ports.vector_index import IndexHit, IndexPoint, SparseVector

Point = TypeVar("Point", bound=IndexPoint)

DENSE = "dense"
SPARSE = "sparse"
VERSION = "version"
ORDINAL = "ordinal"
ENVELOPE = "envelope"

#: What a hit is made of; the attributes stay in the engine.
HIT_FIELDS = [VERSION, Field.DOCUMENT.value, ORDINAL, ENVELOPE]

#: Fields with an index of exact values, and fields with one of integers; the tenant's is the main one of its own.
KEYWORDS = (
    Field.DOCUMENT.value,
    Field.COLLECTION.value,
    Field.REGION.value,
    Field.GROUPS.value,
    Field.OWNER.value,
    Field.LABELS.value,
    Field.PERSONAL_DATA.value,
    VERSION,
)
INTEGERS = (Field.CLASSIFICATION.value, Field.VALID_FROM.value, Field.VALID_UNTIL.value)
#: What a point has in a field that it does not hold: most points are so, and those from before there were these fields.
ABSENT_TEXT = {Field.OWNER: str(NOBODY), Field.PERSONAL_DATA: "false"}
ABSENT_NUMBER = {Field.VALID_FROM: 0, Field.VALID_UNTIL: FOREVER}

#: Comparing each admitted point's terms would be faster than walking the inverted index where a term's list holds many points
#: that are not admitted. Now no list holds points of two tenants or collections, and questions have as many terms for each
#: collection: always walk it (measured at 20,000 points and 100 collections: 1.8 against 30 ms).
SPARSE_FULL_SCAN_POINTS = 1


def collection_name(model: str, dimensions: int) -> str:
    """Names the collection for the embedding model: vectors of two models never meet in one index."""
    return f"{clear_collection_name(model, dimensions)}-sealed"


def clear_collection_name(model: str, dimensions: int) -> str:
    """The name of an index of the layout before this one, whose vectors and terms are neither transformed nor hidden."""
    slug = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
    return f"{slug}-{dimensions}"


def payload_of(point: IndexPoint) -> dict[str, Any]:
    attributes = point.attributes
    return {
        Field.TENANT.value: str(attributes.tenant_id),
        Field.DOCUMENT.value: str(attributes.document_id),
        Field.COLLECTION.value: str(attributes.collection_id),
        Field.REGION.value: attributes.region.name,
        Field.CLASSIFICATION.value: int(attributes.classification),
        Field.GROUPS.value: sorted(str(group) for group in attributes.groups),
        **_present(attributes),
        VERSION: str(point.version_id),
        ORDINAL: point.ordinal,
        **envelope_payload(point.envelope),
    }


def envelope_payload(envelope: bytes) -> dict[str, Any]:
    return {ENVELOPE: base64.b64encode(envelope).decode("ascii")}


def _present(attributes: DocumentAttributes) -> dict[str, Any]:
    """Those of the remaining attributes that are not what an absent one stands for."""
    texts = {Field.OWNER: str(attributes.owner), Field.PERSONAL_DATA: "true" if attributes.personal_data else "false"}
    numbers = {Field.VALID_FROM: attributes.validity.start, Field.VALID_UNTIL: attributes.validity.end}
    present: dict[str, Any] = {name.value: text for name, text in texts.items() if text != ABSENT_TEXT[name]}
    present |= {name.value: value for name, value in numbers.items() if value != ABSENT_NUMBER[name]}
    if attributes.labels:
        present[Field.LABELS.value] = sorted(attributes.labels)
    return present


def hit_of(chunk_id: UUID, payload: Mapping[str, Any]) -> IndexHit:
    return IndexHit(
        chunk_id=chunk_id,
        version_id=UUID(payload[VERSION]),
        document_id=UUID(payload[Field.DOCUMENT.value]),
        ordinal=payload[ORDINAL],
        envelope=base64.b64decode(payload[ENVELOPE]),
    )


def point_of(chunk_id: UUID, dense: Sequence[float], sparse: SparseVector, payload: Mapping[str, Any]) -> IndexPoint:
    """The whole point again, as ``payload_of`` and its vectors have it."""
    attributes = DocumentAttributes(
        tenant_id=UUID(payload[Field.TENANT.value]),
        document_id=UUID(payload[Field.DOCUMENT.value]),
        collection_id=UUID(payload[Field.COLLECTION.value]),
        region=Region(payload[Field.REGION.value]),
        classification=Classification(payload[Field.CLASSIFICATION.value]),
        groups=frozenset(UUID(group) for group in payload[Field.GROUPS.value]),
        owner=UUID(payload.get(Field.OWNER.value, ABSENT_TEXT[Field.OWNER])),
        labels=frozenset(payload.get(Field.LABELS.value, ())),
        personal_data=payload.get(Field.PERSONAL_DATA.value) == "true",
        validity=Validity(payload.get(Field.VALID_FROM.value, 0), payload.get(Field.VALID_UNTIL.value, FOREVER)),
    )
    hit = hit_of(chunk_id, payload)
    vector = np.asarray(dense, dtype=np.float32)
    return IndexPoint(chunk_id, hit.version_id, hit.ordinal, attributes, vector, sparse, hit.envelope)


def batches(points: Sequence[Point], size: int, dimensions: int) -> Iterator[Sequence[Point]]:
    """Slices of at most ``size`` points. Raises before the first one if any vector has another length."""
    if any(point.dense.shape != (dimensions,) for point in points):
        raise VectorIndexUnavailable(f"This index holds vectors of {dimensions} dimensions only.")
    return (points[start : start + size] for start in range(0, len(points), size))
