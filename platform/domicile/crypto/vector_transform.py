"""The vector transform: what the index holds for an embedding, so that it cannot be compared with embeddings made elsewhere.

A stored vector is the embedding turned by a secret orthogonal matrix Q of the tenant's own, and so is the vector of a question.
Products between turned vectors are those between the embeddings, which is why search works, and why the distances within one
tenant stay visible. Q is uniformly distributed over all orthogonal matrices: a product of one Householder reflection for each
dimension, each of which takes the first axis to a random direction (Diaconis and Shahshahani, "The subgroup algorithm for
generating uniform random variables", 1987; Stewart 1980). The numbers come from an AES-CTR keystream, and no library's
decomposition is needed, so that every machine has the same Q to within float error. No scale is kept secret beside it:
embeddings have length 1, so it could be read off any stored vector.

Against whoever learns Q (as many known texts as there are dimensions give it), stored vectors may have noise besides: a vector
drawn from a ball of radius β / 4 (Fuchsbauer, Ghosal, Hauke and O'Neill, "Approximate distance-comparison-preserving symmetric
encryption", SCN 2022, for vectors of length 1). It is drawn anew for each chunk, and always the same for one, so that copies of
a chunk in a log or a backup do not average it out. Questions have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from domicile.crypto.keys import DataKey

Floats = NDArray[np.float32]

#: β above this makes noise longer than two embeddings, and searching it is guessing.
MOST_NOISE = 8.0
_UNIT = 2.0**-32


class VectorTransform:
    """One tenant's transform. Making it takes about 50 ms at 384 dimensions, so it belongs in a thread.

    ``noise`` is β, from 0 (none) to ``MOST_NOISE``; it may change at any time, which vectors stored before do not notice.
    """

    def __init__(self, key: DataKey, dimensions: int, noise: float = 0.0) -> None:
        if not 0 <= noise <= MOST_NOISE:
            raise ValueError(f"noise is from 0 to {MOST_NOISE}")
        matrix_key = key.derive(b"domicile/vector-transform/1/matrix/" + str(dimensions).encode())
        self._noise_key = key.derive(b"domicile/vector-transform/1/noise")
        self._noise = noise
        self._matrix = _orthogonal(matrix_key, dimensions)

    def turned(self, vector: Floats) -> Floats:
        """A question's vector, shape (dimensions,), with its length and its products kept to float error.

        Not by the library of linear algebra, whose threads wait for one another: on a busy machine that takes a thousand times
        as long as the product itself.
        """
        turned: Floats = np.einsum("i,ij->j", vector, self._matrix)
        return turned

    def stored(self, vectors: Floats, chunk_ids: Sequence[UUID]) -> Floats:
        """Vectors of chunks, shape (count, dimensions), with the noise of each chunk."""
        turned: Floats = vectors @ self._matrix
        if not self._noise:
            return turned
        noise = [_in_unit_ball(self._noise_key, chunk_id, vectors.shape[1]) for chunk_id in chunk_ids]
        return (turned + np.array(noise) * (self._noise / 4)).astype(np.float32)


def _orthogonal(key: bytes, dimensions: int) -> Floats:
    numbers = _normal(key, bytes(16), dimensions * (dimensions + 1) // 2)
    matrix = np.eye(dimensions)
    start = 0
    for size in range(1, dimensions + 1):
        direction = numbers[start : start + size].copy()
        start += size
        sign = -1.0 if direction[0] < 0 else 1.0
        # Reflecting along this takes the direction to the first axis, as far as signs go, and the first axis to the direction.
        direction[0] += sign * np.sqrt(np.square(direction).sum())
        block = matrix[-size:, -size:]
        moved = np.einsum("i,ij->j", direction, block) * (2 / np.square(direction).sum())
        block -= np.multiply.outer(direction, moved)
        block *= -sign
    # Contiguous and as precise as what it is multiplied with, once for every question.
    return np.ascontiguousarray(matrix, dtype=np.float32)


def _in_unit_ball(key: bytes, chunk_id: UUID, dimensions: int) -> NDArray[np.float64]:
    """Uniformly distributed: a direction, and a radius whose power ``dimensions`` is uniform."""
    # Chunk ids are hashes: that two of them lie so close that their keystreams overlap does not happen.
    numbers = _normal(key, chunk_id.bytes, dimensions + 2)
    direction, pair = numbers[:dimensions], numbers[dimensions:]
    # The squared length of two normal numbers is exponential, which makes this uniform.
    uniform = float(np.exp(-np.square(pair).sum() / 2))
    inside: NDArray[np.float64] = direction / np.linalg.norm(direction) * uniform ** (1 / dimensions)
    return inside


def _normal(key: bytes, start: bytes, count: int) -> NDArray[np.float64]:
    """Standard normal numbers out of the AES-256-CTR keystream that begins at counter ``start`` (Box and Muller 1958)."""
    pairs = (count + 1) // 2
    stream = Cipher(algorithms.AES(key), modes.CTR(start)).encryptor().update(bytes(8 * pairs))
    uniform = (np.frombuffer(stream, dtype=">u4").astype(np.float64) + 0.5) * _UNIT
    radius, angle = np.sqrt(-2 * np.log(uniform[:pairs])), 2 * np.pi * uniform[pairs:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
