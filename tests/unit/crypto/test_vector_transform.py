"""The vector transform keeps products and hides everything that a public model could be compared with."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domicile.crypto.keys import DataKey
from domicile.crypto.vector_transform import MOST_NOISE, VectorTransform

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "vector_transform.json").read_text("utf-8"))
KEY, OTHER = DataKey(UUID(int=1), bytes(range(32))), DataKey(UUID(int=1), bytes(32))
DIMENSIONS = 96
IDS = [UUID(int=number << 64) for number in range(1, 201)]
keys = st.builds(DataKey, st.uuids(), st.binary(min_size=32, max_size=32))


def unit(count: int, dimensions: int = DIMENSIONS, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@settings(deadline=None)
@given(keys, st.integers(2, 64))
def test_products_are_kept_under_every_key(key: DataKey, dimensions: int) -> None:
    """Scores mean what they meant, to float error, so that rankings and the thresholds of evidence are the same."""
    vectors, transform = unit(20, dimensions), VectorTransform(key, dimensions)
    turned = transform.stored(vectors, IDS[:20])
    assert turned.dtype == np.float32
    assert np.abs(turned @ transform.turned(vectors[0]) - vectors @ vectors[0]).max() < 2e-6


def test_turned_vectors_have_nothing_in_common_with_clear_ones_or_another_tenants() -> None:
    """Their products with both are those of random directions: mean 0 and standard deviation 1/√d."""
    vectors = unit(200)
    mine = VectorTransform(KEY, DIMENSIONS).stored(vectors, IDS)
    for other in (vectors, VectorTransform(OTHER, DIMENSIONS).stored(vectors, IDS)):
        products = np.einsum("ij,ij->i", mine, other) * np.sqrt(DIMENSIONS)
        assert abs(products.mean()) < 5 / np.sqrt(200)
        assert 0.7 < products.std() < 1.3


def test_the_matrix_is_uniform_and_not_only_orthogonal() -> None:
    """Over many keys, the trace of a uniform orthogonal matrix has mean 0 and variance 1; without the signs it would not."""
    traces = [np.trace(VectorTransform(DataKey(UUID(int=n), bytes(32)), 12).stored(np.eye(12), IDS[:12])) for n in range(400)]
    assert abs(np.mean(traces)) < 5 / np.sqrt(400)
    assert 0.7 < np.var(traces) < 1.4


def test_every_column_is_a_uniform_direction() -> None:
    """Each entry of the matrix has mean 0 and variance 1/d over the keys, wherever it stands."""
    matrices = np.array([VectorTransform(DataKey(UUID(int=n), bytes(32)), 6).stored(np.eye(6), IDS[:6]) for n in range(600)])
    assert np.abs(matrices.mean(axis=0)).max() < 5 / np.sqrt(6 * 600)
    assert np.abs(np.square(matrices).mean(axis=0) - 1 / 6).max() < 5 * 0.2 / np.sqrt(600)
    assert abs(np.mean(np.linalg.det(matrices))) < 5 / np.sqrt(600)


def test_noise_has_the_stated_length_and_leaves_questions_alone() -> None:
    """It lies in a ball of radius β / 4, close to its surface as in every space of many dimensions, in all directions."""
    vectors = unit(200)
    plain, noisy = VectorTransform(KEY, DIMENSIONS), VectorTransform(KEY, DIMENSIONS, 2.0)
    noise = noisy.stored(vectors, IDS) - plain.stored(vectors, IDS)
    lengths = np.linalg.norm(noise, axis=1)
    assert lengths.max() <= 0.5 + 1e-6
    # The d-th power of a uniform radius is uniform.
    powers = (lengths / 0.5) ** DIMENSIONS
    assert abs(powers.mean() - 0.5) < 5 * np.sqrt(1 / 12 / 200)
    assert np.linalg.norm(noise.mean(axis=0)) < 0.5 / np.sqrt(200) * 2
    assert np.array_equal(noisy.turned(vectors[0]), plain.turned(vectors[0]))


def test_a_chunk_has_one_noise_and_others_have_others() -> None:
    """Writing a chunk again gives nothing to average, and equal texts in two chunks are not stored equal."""
    transform, same = VectorTransform(KEY, DIMENSIONS, 1.0), np.repeat(unit(1), 2, axis=0)
    first = transform.stored(same, IDS[:2])
    assert np.array_equal(first, VectorTransform(KEY, DIMENSIONS, 1.0).stored(same, IDS[:2]))
    assert np.linalg.norm(first[0] - first[1]) > 0.1


@pytest.mark.parametrize("noise", [-0.1, MOST_NOISE + 0.1, float("nan")])
def test_a_strength_that_there_is_not_is_refused(noise: float) -> None:
    """Outside of the range, search would be guessing or the noise not what it is said to be."""
    with pytest.raises(ValueError, match="noise"):
        VectorTransform(KEY, DIMENSIONS, noise)


def test_the_published_vectors_hold() -> None:
    """Another machine, with another linear algebra, has the same matrix to within float error."""
    for vector in VECTORS["vectors"]:
        key = DataKey(UUID(vector["key_id"]), bytes.fromhex(vector["key"]))
        clear = np.array([vector["vector"]], dtype=np.float32)
        transform = VectorTransform(key, clear.shape[1], vector["noise"])
        assert np.allclose(transform.turned(clear[0]), vector["turned"], atol=1e-6)
        assert np.allclose(transform.stored(clear, [UUID(vector["chunk"])]), [vector["stored"]], atol=1e-6)
