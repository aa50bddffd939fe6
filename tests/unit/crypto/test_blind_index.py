"""Blind terms: a permutation of all 32-bit numbers, another one for each collection of each tenant."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domicile.crypto.blind_index import BlindIndex
from domicile.crypto.keys import DataKey

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "blind_index.json").read_text("utf-8"))
KEY = DataKey(UUID(int=1), bytes(range(32)))
COLLECTIONS = [UUID(int=5), UUID(int=6)]
terms = st.lists(st.integers(0, 2**32 - 1), unique=True, max_size=40)
keys = st.builds(DataKey, st.uuids(), st.binary(min_size=32, max_size=32))


def hidden(index: BlindIndex, numbers: list[int], *collections: UUID) -> list[list[int]]:
    return index.hide(np.array(numbers, dtype=np.uint32), collections).tolist()


@given(keys, terms, st.uuids())
def test_every_term_comes_back_and_no_two_become_one(key: DataKey, numbers: list[int], collection: UUID) -> None:
    """Hiding is one to one under every key, so that searching hidden terms finds exactly what clear ones would."""
    index = BlindIndex(key)
    images = index.hide(np.array(numbers, dtype=np.uint32), [collection])[0]
    assert len(set(images.tolist())) == len(numbers)
    assert index.reveal(images, collection).tolist() == numbers


@given(terms)
def test_several_collections_at_once_are_each_alone(numbers: list[int]) -> None:
    """What a question does for all collections is what a passage did for its own, in whatever company its terms are."""
    index = BlindIndex(KEY)
    together = hidden(index, numbers, *COLLECTIONS)
    assert together == [hidden(index, numbers, each)[0] for each in COLLECTIONS]
    assert [hidden(BlindIndex(KEY), [each], COLLECTIONS[0])[0][0] for each in numbers] == together[0]


def test_collections_and_tenants_share_nothing() -> None:
    """Of ten thousand terms, as many stand for the same in two collections, or under two keys, as chance makes."""
    numbers = np.arange(10_000, dtype=np.uint32)
    other = BlindIndex(DataKey(UUID(int=2), KEY.secret))
    images = [*BlindIndex(KEY).hide(numbers, COLLECTIONS), *other.hide(numbers, COLLECTIONS[:1])]
    for number, image in enumerate(images):
        assert all(np.count_nonzero(image == later) <= 1 for later in images[number + 1 :])
        assert np.count_nonzero(image == numbers) <= 1


def test_images_look_random() -> None:
    """Consecutive terms, whose ids differ in a few bits, set each bit of their images half of the time, as chance would."""
    count = 1 << 14
    images = BlindIndex(KEY).hide(np.arange(count, dtype=np.uint32), COLLECTIONS[:1])[0]
    set_bits = np.unpackbits(images.view(np.uint8).reshape(count, 4), axis=1).sum(axis=0)
    # Five standard deviations, for 32 bits: once in 50,000 keys.
    assert np.abs(set_bits - count / 2).max() < 5 * np.sqrt(count) / 2
    flipped = images ^ BlindIndex(KEY).hide(np.arange(count, dtype=np.uint32) ^ np.uint32(1), COLLECTIONS[:1])[0]
    changed = np.unpackbits(flipped.view(np.uint8)).mean()
    assert abs(changed - 0.5) < 0.01


def test_the_published_vectors_hold() -> None:
    """An index that was written by one version is searched by every later one."""
    for vector in VECTORS["vectors"]:
        key = DataKey(UUID(vector["key_id"]), bytes.fromhex(vector["key"]))
        found = hidden(BlindIndex(key), vector["terms"], UUID(vector["collection"]))
        assert found == [vector["hidden"]]


def test_no_terms_and_no_collections_give_none() -> None:
    """Texts without words, and tenants without collections, are no errors."""
    assert hidden(BlindIndex(KEY), [], *COLLECTIONS) == [[], []]
    assert hidden(BlindIndex(KEY), [1, 2]) == []
