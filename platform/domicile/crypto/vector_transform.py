"""The vector transform: what the index holds for an embedding, so that it cannot be compared with embeddings made elsewhere.

A stored vector is the embedding turned by a secret orthogonal matrix Q of the tenant's own, and so is the vector of a question.
Products between turned vectors are those between the embeddings, which is why search works, and why the distances within one
tenant stay visible. Q is uniformly distributed over all orthogonal matrices: the QR decomposition of a matrix of normal numbers
with the signs of R's diagonal made positive (Mezzadri, "How to generate random matrices from the classical compact groups",
Notices of the AMS 54, 2007). The numbers come from an AES-CTR keystream, so that every machine has the same Q to within float
error. No scale is kept secret beside it: embeddings have length 1, so it could be read off any stored vector.

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
    """One tenant's transform. Making it decomposes a matrix: about 25 ms at 384 dimensions, so it belongs in a thread.

    ``noise`` is β, from 0 (none) to ``MOST_NOISE``; it may change at any time, which vectors stored before do not notice.
    """

    def __init__(self, key: DataKey, dimensions: int, noise: float = 0.0) -> None:
        if not 0 <= noise <= MOST_NOISE:
            raise ValueError(f"noise is from 0 to {MOST_NOISE}")
        matrix_key = key.derive(b"domicile/vector-transform/1/matrix/" + str(dimensions).encode())
        self._noise_key = key.derive(b"domicile/vector-transform/1/noise")
        self._noise = noise
        self._matrix = _orthogonal(matrix_key, dimensions)

    def turned(self, vectors: Floats) -> Floats:
        """Vectors of questions: shape (dimensions,) or (count, dimensions), lengths and products kept to float error."""
        turned: Floats = vectors @ self._matrix
        return turned

    def stored(self, vectors: Floats, chunk_ids: Sequence[UUID]) -> Floats:
        """Vectors of chunks, shape (count, dimensions), with the noise of each chunk."""
        turned = self.turned(vectors)
        if not self._noise:
            return turned
        noise = [_in_unit_ball(self._noise_key, chunk_id, vectors.shape[1]) for chunk_id in chunk_ids]
        return (turned + np.array(noise) * (self._noise / 4)).astype(np.float32)


def _orthogonal(key: bytes, dimensions: int) -> Floats:
    normal = _normal(key, bytes(16), dimensions * dimensions).reshape(dimensions, dimensions)
    q, r = np.linalg.qr(normal)
    # Contiguous, as the product with it is taken for every question.
    return np.ascontiguousarray(q * np.where(np.diagonal(r) < 0, -1.0, 1.0), dtype=np.float32)


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
