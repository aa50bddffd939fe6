"""What encryption costs: its share of an ingest, of an answer and of a question, and the bytes that it adds to each store."""

from __future__ import annotations

import asyncio
import base64
import statistics
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import msgspec
import numpy as np
from tests.benchmarks.filled import DIMENSIONS, WORDS_OF_A_CHUNK, WORDS_OF_A_QUESTION, Writer
from tests.benchmarks.places import NO_HANDBOOK, handbook, scratch, settings_in
from tests.benchmarks.table import Row, at_most, skipped
from tests.fakes.keys import MemoryKeyRing
from tests.fakes.vector_index import sealed

from domicile.adapters.embeddings.bm25 import Bm25Encoder
from domicile.adapters.identity.clock import SystemClock
from domicile.adapters.qdrant.edge import EdgeVectorIndex
from domicile.adapters.sealed.index import _sealed
from domicile.adapters.sealed.keyed import Keyed, KeyedTenants
from domicile.bootstrap.models import verified
from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import seal
from domicile.crypto.keys import DataKey
from domicile.crypto.parts import chunk_id
from domicile.domain.documents import Chunk, Document, DocumentAttributes, DocumentTitle, DocumentVersion
from domicile.domain.values import Classification, Region
from domicile.ingestion.sealing import seal_chunk, seal_part, seal_title
from domicile.policy.scope import Field, OneOf, RetrievalScope
from domicile.ports.vector_index import IndexHit, IndexPoint
from domicile.retrieval.candidates import Candidate
from domicile.retrieval.unsealing import passage_of

CHUNK_CHARACTERS = 800
CHUNKS = 256
PASSAGES = 20
QUESTIONS = 500
SEARCHED = 5000
ATTRIBUTES = DocumentAttributes(UUID(int=1), UUID(int=2), UUID(int=3), Region("eu-de"), Classification.INTERNAL)
SCOPE = RetrievalScope(OneOf(Field.TENANT, frozenset({str(ATTRIBUTES.tenant_id)})), (), "")
VERSION = UUID(int=4)
KEY = DataKey(UUID(int=5), bytes(range(32)))
TITLE = DocumentTitle("A document of the handbook", "handbook/a/document.md", "text/markdown", "en")


@dataclass(frozen=True, slots=True)
class Page:
    """A document as it comes, with the chunks that it is cut into."""

    original: bytes
    text: str
    chunks: tuple[Chunk, ...]


def run() -> list[Row]:
    pages = [_page(upload.content) for upload in handbook()]
    if not pages:
        return [skipped("encryption", NO_HANDBOOK)]
    keyed = asyncio.run(KeyedTenants(MemoryKeyRing(), DIMENSIONS, 0.0).of(ATTRIBUTES.tenant_id))
    collections = asyncio.run(_collections())
    return [*_ingest(pages, keyed), *_answer(pages), *_question(keyed), *collections, *_bytes(pages)]


def _page(content: bytes) -> Page:
    text = content.decode("utf-8", "replace")
    parts = [text[start : start + CHUNK_CHARACTERS] for start in range(0, len(text), CHUNK_CHARACTERS)]
    chunks = (
        Chunk(n, part, n * CHUNK_CHARACTERS, n * CHUNK_CHARACTERS + len(part), ("Chapter", "Section"))
        for n, part in enumerate(parts)
    )
    return Page(content, text, tuple(chunks))


def _ingest(pages: list[Page], keyed: Keyed) -> list[Row]:
    """Seconds that sealing takes beside those that embedding and encoding the same chunks take, in the same run."""
    some: list[Page] = []
    for page in pages:
        if sum(len(each.chunks) for each in some) < CHUNKS:
            some.append(page)
    chunks = [chunk for page in some for chunk in page.chunks]
    texts = [chunk.text for chunk in chunks]
    dense, without = asyncio.run(_embedded(texts))
    started = time.perf_counter()
    sparse = Bm25Encoder(["en"]).encode_passages(texts, "en")
    without += time.perf_counter() - started
    points = [
        IndexPoint(chunk_id(VERSION, n), VERSION, n, ATTRIBUTES, vector, terms, b"")
        for n, (vector, terms) in enumerate(zip(dense, sparse, strict=True))
    ]
    envelopes = _seconds(lambda: [seal_chunk(KEY, ATTRIBUTES, VERSION, chunk) for chunk in chunks])
    parts = _seconds(lambda: [_seal_parts(page) for page in some])
    index = _seconds(lambda: [_sealed(points[n : n + 64], {ATTRIBUTES.tenant_id: keyed}) for n in range(0, len(points), 64)])
    share = (envelopes + parts + index) / without
    each = 1e6 / len(chunks)
    return [
        at_most("encryption ÷ embedding and encoding of the same chunks", share, 0.03),
        Row("  chunks compressed and sealed", envelopes * each, "µs a chunk"),
        Row("  originals, texts and titles sealed", parts * each, "µs a chunk"),
        Row("  vectors turned and terms hidden", index * each, "µs a chunk"),
        Row(f"  {len(chunks)} chunks embedded and encoded", without * each, "µs a chunk"),
    ]


async def _embedded(texts: list[str]) -> tuple[np.ndarray, float]:
    with scratch() as folder:
        _, embedder = verified(settings_in(folder))
        await embedder.load()
        await embedder.embed_passages(texts[:8])
        started = time.perf_counter()
        vectors = await embedder.embed_passages(texts)
        took = time.perf_counter() - started
        await embedder.close()
    return vectors, took


def _seal_parts(page: Page) -> tuple[bytes, bytes, bytes]:
    original = seal_part(KEY, ATTRIBUTES, VERSION, Part.ORIGINAL, page.original)
    text = seal_part(KEY, ATTRIBUTES, VERSION, Part.TEXT, page.text.encode())
    return original, text, seal_title(KEY, ATTRIBUTES, VERSION, TITLE)


def _answer(pages: list[Page]) -> list[Row]:
    """Milliseconds to open a search's passages, beside reading the same bodies where nothing is sealed."""
    chunks = [chunk for page in pages[:50] for chunk in page.chunks if len(chunk.text) == CHUNK_CHARACTERS][:PASSAGES]
    now = SystemClock().now()
    version = DocumentVersion(VERSION, ATTRIBUTES.document_id, KEY.id, bytes(32), b"", 1, len(chunks), now)
    document = Document(ATTRIBUTES, bytes(32), version, now)
    candidates = [
        Candidate(
            IndexHit(uuid4(), VERSION, document.id, chunk.ordinal, seal_chunk(KEY, ATTRIBUTES, VERSION, chunk)),
            document,
            1.0,
            1.0,
            1.0,
        )
        for chunk in chunks
    ]
    bodies = [msgspec.json.encode({"text": chunk.text, "start": chunk.start}) for chunk in chunks]
    opened = _seconds(lambda: [passage_of(candidate, KEY, TITLE) for candidate in candidates]) * 1000
    read = _seconds(lambda: [msgspec.json.decode(body) for body in bodies]) * 1000
    return [
        at_most(f"opening {len(chunks)} passages", opened, 1.0, "ms"),
        Row("  reading the same bodies, unsealed", read, "ms", ratio=read / opened, against="opening them"),
    ]


def _question(keyed: Keyed) -> list[Row]:
    """Milliseconds that sealing a question takes: its vector, and its terms for so many collections."""
    writer, encoder = Writer(5), Bm25Encoder(["en", "de", "fr"])
    vector = writer.vectors(1)[0]
    turned = [_seconds(lambda: keyed.vectors.turned(vector), 1) * 1000 for _ in range(QUESTIONS)]
    terms = np.array(encoder.encode_query(writer.text(WORDS_OF_A_QUESTION)).indices, dtype=np.uint32)
    rows = [at_most("turning a question's vector, p50", statistics.median(turned), 0.2, "ms")]
    for count in (1, 10, 100):
        collections = [uuid4() for _ in range(count)]
        took = _seconds(lambda collections=collections: keyed.terms.hide(terms, collections)) * 1000
        rows.append(Row(f"  hiding its {len(terms)} terms for {count} collections", took, "ms"))
    return rows


async def _collections() -> list[Row]:
    """Milliseconds of the sparse leg over chunks in one collection and in a hundred, and of a tenant's first question."""
    writer, encoder, took = Writer(6), Bm25Encoder(["en"]), dict[int, tuple[float, float]]()
    terms = encoder.encode_passages([writer.text(WORDS_OF_A_CHUNK) for _ in range(SEARCHED)], "en")
    questions = [encoder.encode_query(writer.text(WORDS_OF_A_QUESTION)) for _ in range(QUESTIONS)]
    vectors = writer.vectors(SEARCHED)
    for count in (1, 100):
        places = [replace(ATTRIBUTES, collection_id=UUID(int=n % count)) for n in range(SEARCHED)]
        points = [IndexPoint(uuid4(), VERSION, 0, *each, b"") for each in zip(places, vectors, terms, strict=True)]
        with scratch() as folder:
            index = sealed(EdgeVectorIndex.open(folder, model="m", dimensions=DIMENSIONS), DIMENSIONS)
            await index.upsert(points)
            seconds = []
            for question in questions:
                started = time.perf_counter()
                await index.matching(question, SCOPE, 50)
                seconds.append(time.perf_counter() - started)
            await index.close()
        took[count] = seconds[0] * 1000, statistics.median(seconds) * 1000
    one, many = took[1][1], took[100][1]
    return [
        Row(
            f"sparse leg over {SEARCHED:,} chunks in 100 collections, p50",
            many,
            "ms",
            ratio=many / one,
            against=f"{one:.2g} ms in one",
        ),
        Row("  a tenant's first question, which counts its terms", took[100][0], "ms"),
    ]


def _bytes(pages: list[Page]) -> list[Row]:
    """Stored bytes of content in each store, as a part of the plaintext's."""
    context = EncryptionContext(ATTRIBUTES.tenant_id, ATTRIBUTES.region, ATTRIBUTES.document_id, "", Part.CHUNK)
    sealed = [_seal_parts(page) for page in pages]
    chunks = [chunk for page in pages for chunk in page.chunks]
    payloads = [len(base64.b64encode(seal_chunk(KEY, ATTRIBUTES, VERSION, chunk))) for chunk in chunks]
    plain = {
        "originals": sum(len(page.original) for page in pages),
        "texts": sum(len(page.text.encode()) for page in pages),
        "titles": len(msgspec.json.encode(TITLE)) * len(pages),
        "chunks": sum(len(chunk.text.encode()) for chunk in chunks),
    }
    stored = dict(zip(plain, [*(sum(len(each[part]) for each in sealed) for part in range(3)), sum(payloads)], strict=True))
    before = sum(len(base64.b64encode(seal(KEY, context, msgspec.json.encode(chunk)))) for chunk in chunks)
    return [
        at_most("stored bytes ÷ plaintext, all stores", sum(stored.values()) / sum(plain.values()), 1.15),
        *(
            Row(f"  {name}", stored[name] / plain[name], "", ratio=stored[name] / plain[name], against="its plaintext")
            for name in plain
        ),
        Row("  chunks without compression", before / plain["chunks"]),
        Row("  chunks compressed only", sum(len(zlib.compress(chunk.text.encode())) for chunk in chunks) / plain["chunks"]),
    ]


def _seconds(work: Callable[[], object], rounds: int = 9) -> float:
    """The median of so many rounds, after one that does not count."""
    work()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
