"""Somebody has the whole data directory and the public embedding model, and no key: what does the index tell?

The same attacks on the same cell, once as it is and once with an index that nothing was sealed for. The bounds are of chance:
an attack that does no better than guessing exceeds each of them in fewer than one run of ten thousand.
"""

from __future__ import annotations

import asyncio
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import pytest_asyncio
import qdrant_edge as engine
from tests.security.attacked_texts import DECOYS, TEXTS

import domicile.bootstrap.base as composition
from domicile.access.identity import Origin
from domicile.adapters.embeddings.bm25 import Bm25Encoder
from domicile.bootstrap import initialise_cell, open_cell
from domicile.bootstrap.models import verified
from domicile.config import Settings, load_settings
from domicile.domain.values import Classification, Role
from domicile.ingestion.intake import Upload

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
#: Of candidate sentences as many as there are chunks, so that the right one is guessed once on average, and fewer than nine
#: times but in one run of 900,000 (Poisson).
MOST_GUESSED = 8
SCROLLED = 1000


@dataclass(frozen=True, slots=True)
class Stolen:
    """What the thief reads: each chunk's document, vector and terms. ``texts`` is the truth, to judge guesses by."""

    folder: Path
    documents: list[UUID]
    vectors: np.ndarray
    terms: list[frozenset[int]]
    texts: dict[UUID, str]


async def _filled(settings: Settings) -> dict[UUID, str]:
    """A cell with one tenant and a document of each text, in two collections; gives the text of each document."""
    await initialise_cell(settings)
    texts: dict[UUID, str] = {}
    async with open_cell(settings, command="test", run_jobs=True) as cell:
        tenant = await cell.administration.create_tenant("acme", "Acme", cell.region)
        operator = cell.administration.operator_caller(tenant)
        user = await cell.administration.create_user(operator, "ada", "Ada", Role.ADMINISTRATOR, Classification.CONFIDENTIAL)
        _, key = await cell.administration.create_api_key(operator, user.id, "test")
        caller = await cell.identity.authenticate_key(key, Origin("test", ""))
        for name, part in (("one", TEXTS[::2]), ("two", TEXTS[1::2])):
            collection = await cell.library.create_collection(caller, name)
            uploads = [Upload(f"{number}.txt", text.encode()) for number, text in enumerate(part)]
            job = await cell.intake.submit(caller, collection.id, uploads)
            async for view in cell.progress.watch(caller, job.id):
                last = view
            assert last.added == len(part)
            texts |= {item.document_id: part[int(item.source.split(".")[0])] for item in last.items}
    return texts


def _read(data: Path, texts: dict[UUID, str]) -> Stolen:
    """The thief's copy of the data directory, and what the engine itself reads out of it."""
    copy = data.with_name("stolen")
    shutil.copytree(data, copy)
    (folder,) = (path for path in (copy / "index").iterdir() if path.is_dir())
    shard = engine.EdgeShard.load(str(folder))
    found, _ = shard.scroll(engine.ScrollRequest(limit=SCROLLED, with_payload=True, with_vector=True))
    shard.close()
    vectors: list[dict[str, Any]] = [record.vector for record in found]
    return Stolen(
        copy,
        [UUID((record.payload or {})["document"]) for record in found],
        np.array([each["dense"] for each in vectors], dtype=np.float32),
        [frozenset(each["sparse"].indices) for each in vectors],
        texts,
    )


async def _stolen(folder: Path) -> Stolen:
    settings = load_settings({}, data_dir=folder / "cell", region="eu-de", log_level="error")
    texts = await _filled(settings)
    return await asyncio.to_thread(_read, settings.data_dir, texts)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def protected(tmp_path_factory: pytest.TempPathFactory) -> Stolen:
    """A cell as it is."""
    return await _stolen(tmp_path_factory.mktemp("protected"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def unprotected(tmp_path_factory: pytest.TempPathFactory) -> Stolen:
    """The same cell, with the point store itself in the place of the index: what comes is what is stored."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(composition, "sealed_index", lambda settings, store, *others: store)
        return await _stolen(tmp_path_factory.mktemp("unprotected"))


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[^\W\d_]{4,}", text)}


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A dictionary attack's outcome: of the pairs of a word and a document that has it, and of those that have not."""

    recalled: float
    false: float
    recognised: int
    vocabulary: int


def dictionary_attack(stolen: Stolen) -> Dictionary:
    """Hash every word as BM25 does, and say that a document has the words whose hashes are with its chunk."""
    vocabulary = sorted(set().union(*map(_words, TEXTS), *map(_words, DECOYS)))
    hashes = {word: set(Bm25Encoder(["en"]).encode_passages([word], "en")[0].indices) for word in vocabulary}
    hashes = {word: each for word, each in hashes.items() if each}
    said = [
        (word in _words(stolen.texts[document]), bool(hashes[word] & terms))
        for word in hashes
        for document, terms in zip(stolen.documents, stolen.terms, strict=True)
    ]
    true, false = ([guess for is_there, guess in said if is_there is wanted] for wanted in (True, False))
    stored = frozenset[int]().union(*stolen.terms)
    recognised = sum(bool(each & stored) for each in hashes.values())
    return Dictionary(sum(true) / len(true), sum(false) / len(false), recognised, len(hashes))


async def neighbour_attack(stolen: Stolen) -> int:
    """Embed every candidate sentence with the public model and name the chunk that is nearest: how often it says just that."""
    _, embedder = verified(load_settings({}, data_dir=stolen.folder, region="eu-de"))
    await embedder.load()
    candidates = [stolen.texts[document] for document in stolen.documents]
    embedded = await embedder.embed_passages(candidates)
    await embedder.close()
    return int(((embedded @ stolen.vectors.T).argmax(axis=1) == np.arange(len(candidates))).sum())


async def test_a_dictionary_tells_no_word_of_a_stolen_index(
    protected: Stolen, unprotected: Stolen, summary_line: Callable[[str], None]
) -> None:
    """Without the key no word of the vocabulary is among the stored terms; without protection almost every one is."""
    sealed, clear = dictionary_attack(protected), dictionary_attack(unprotected)
    for name, each in (("on", sealed), ("off", clear)):
        summary_line(
            f"dictionary attack, protection {name}: {each.recognised} of {each.vocabulary} words recognised; said of a "
            f"document: {each.recalled:.1%} of the words that it has, {each.false:.1%} of those that it has not"
        )
    assert clear.recalled > 0.95
    assert clear.false < 0.05
    # By chance a word's hash is among the stored ones once in as many keys:
    stored = len(frozenset[int]().union(*protected.terms))
    expected = sealed.vocabulary * stored / 2**32
    assert expected < 0.01
    # P(two or more) < expected² / 2.
    assert expected**2 / 2 < 1e-4
    assert sealed.recognised <= 1
    assert abs(sealed.recalled - sealed.false) < 0.01


async def test_the_public_model_tells_no_chunk_of_a_stolen_index(
    protected: Stolen, unprotected: Stolen, summary_line: Callable[[str], None]
) -> None:
    """Without the key the nearest chunk is a guess; without protection it is the one that says the sentence."""
    count = len(protected.documents)
    sealed, clear = await neighbour_attack(protected), await neighbour_attack(unprotected)
    for name, right in (("on", sealed), ("off", clear)):
        summary_line(f"nearest-neighbour attack, protection {name}: {right} of {count} sentences found; chance finds 1")
    assert clear > 0.9 * count
    tail = 1 - sum(math.exp(-1) / math.factorial(hits) for hits in range(MOST_GUESSED + 1))
    assert tail < 1e-4
    assert sealed <= MOST_GUESSED


async def test_products_with_the_public_models_vectors_are_noise(protected: Stolen) -> None:
    """Not only the best: over all pairs, the right chunk's product is distributed like every other's."""
    _, embedder = verified(load_settings({}, data_dir=protected.folder, region="eu-de"))
    await embedder.load()
    embedded = await embedder.embed_passages([protected.texts[document] for document in protected.documents])
    await embedder.close()
    products = embedded @ protected.vectors.T
    count, dimensions = embedded.shape
    right, all_of_them = np.diagonal(products), products.ravel()
    # Products of two unrelated directions have a standard deviation of 1/√d. The vectors of one language share a direction, so
    # that all products may lean together; the right ones must not lean further than that.
    assert abs(right.mean() - all_of_them.mean()) < 4 / math.sqrt(dimensions * count) * 2
    ranks = (products > right[:, np.newaxis]).mean(axis=1)
    assert abs(ranks.mean() - 0.5) < 4 * math.sqrt(1 / 12 / count)


async def test_no_file_holds_a_vector_or_a_text_as_it_was(protected: Stolen, unprotected: Stolen) -> None:
    """Logs of the engine included: the bytes of no clear vector, and no sentence, are anywhere in the data directory."""
    clear = dict(zip(unprotected.documents, unprotected.vectors, strict=True))
    texts = {unprotected.texts[document]: vector[:8].tobytes() for document, vector in clear.items()}

    def found(stolen: Stolen, needles: list[bytes]) -> int:
        contents = [path.read_bytes() for path in stolen.folder.rglob("*") if path.is_file()]
        return sum(any(needle in content for content in contents) for needle in needles)

    assert await asyncio.to_thread(found, unprotected, list(texts.values())) == len(texts)
    assert await asyncio.to_thread(found, protected, list(texts.values())) == 0
    assert await asyncio.to_thread(found, protected, [text[:30].encode() for text in texts]) == 0
