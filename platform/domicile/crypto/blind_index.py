"""The blind index: term ids that mean nothing without the tenant's key.

A term's id is a hash of the word, so that whoever has the index and a dictionary reads the words off it. Stored instead is the
id's image under a keyed permutation of all 32-bit numbers, another one for each collection of each tenant. A permutation and
not a keyed hash: distinct terms stay distinct, so that searching finds exactly what it would have found, and term statistics
can be counted over what is stored, without storing them.

The permutation is a balanced Feistel network on two halves of 16 bits (Luby and Rackoff, "How to construct pseudorandom
permutations from pseudorandom functions", 1988) of ten rounds, as many as NIST SP 800-38G gives FF1. Four are enough in theory
for large blocks only; attacks on small ones reach eight (Durak and Vaudenay, CRYPTO 2017, on FF3), and ten cost microseconds
here.

The round function is AES-256 of one block that holds collection, round and half, cut to 16 bits. Blocks are encrypted one by
one (ECB), which shows only whether two inputs are equal: for a function that has to give equal outputs for equal inputs that is
the definition and no leak, and the outputs are never stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from domicile.crypto.keys import DataKey

Terms = NDArray[np.uint32]
_Halves = NDArray[np.uint16]

ROUNDS = 10
_BLOCK_BYTES = 16
#: Of a block of the round function: the collection's tweak, the round and, in the last two bytes, the half.
_TWEAK_BYTES = 12
_ROUND, _HALF = 12, 14


class BlindIndex:
    """One tenant's permutations, a collection each. Derived from the tenant's index key; holds nothing else."""

    def __init__(self, key: DataKey) -> None:
        self._rounds = _aes(key.derive(b"domicile/blind-index/1/rounds"))
        self._tweaks = _aes(key.derive(b"domicile/blind-index/1/collections"))

    def hide(self, terms: Terms, collections: Sequence[UUID]) -> Terms:
        """What each term is stored as in each collection, shape (collections, terms)."""
        tweaks, shape = self._tweaks_of(collections), (len(collections), len(terms))
        left, right = np.broadcast_to(terms >> np.uint32(16), shape), np.broadcast_to(terms & np.uint32(0xFFFF), shape)
        halves = left.astype(np.uint16), right.astype(np.uint16)
        for number in range(ROUNDS):
            halves = halves[1], halves[0] ^ self._mixed(halves[1], tweaks, number)
        return _joined(*halves)

    def reveal(self, stored: Terms, collection: UUID) -> Terms:
        """The terms that are stored as these in that collection: ``hide`` backwards."""
        tweaks = self._tweaks_of([collection])
        halves = (stored[np.newaxis] >> np.uint32(16)).astype(np.uint16), (stored[np.newaxis] & 0xFFFF).astype(np.uint16)
        for number in reversed(range(ROUNDS)):
            halves = halves[1] ^ self._mixed(halves[0], tweaks, number), halves[0]
        revealed: Terms = _joined(*halves)[0]
        return revealed

    def _tweaks_of(self, collections: Sequence[UUID]) -> NDArray[np.uint8]:
        """96 pseudorandom bits for each collection, shape (collections, 12)."""
        ids = b"".join(collection.bytes for collection in collections)
        return _encrypted(self._tweaks, ids).reshape(-1, _BLOCK_BYTES)[:, :_TWEAK_BYTES]

    def _mixed(self, halves: _Halves, tweaks: NDArray[np.uint8], number: int) -> _Halves:
        blocks = np.zeros((*halves.shape, _BLOCK_BYTES), dtype=np.uint8)
        blocks[:, :, :_TWEAK_BYTES] = tweaks[:, np.newaxis]
        blocks[:, :, _ROUND] = number
        blocks[:, :, _HALF] = halves >> np.uint16(8)
        blocks[:, :, _HALF + 1] = halves & np.uint16(0xFF)
        mixed = _encrypted(self._rounds, blocks.tobytes()).view(">u2").reshape(*halves.shape, _BLOCK_BYTES // 2)
        return mixed[:, :, 0].astype(np.uint16)


def _aes(key: bytes) -> Cipher[modes.ECB]:
    return Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - a function of single blocks, as the module says


def _encrypted(cipher: Cipher[modes.ECB], blocks: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(cipher.encryptor().update(blocks), dtype=np.uint8)


def _joined(left: _Halves, right: _Halves) -> Terms:
    joined: Terms = (left.astype(np.uint32) << np.uint32(16)) | right
    return joined
