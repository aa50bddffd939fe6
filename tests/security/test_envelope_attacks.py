"""What someone who can write the stores, but holds no key, can make of envelopes: nothing."""

from __future__ import annotations

from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import seal, unseal
from domicile.crypto.keys import DataKey
from domicile.domain.errors import DecryptionFailed
from domicile.domain.values import Region

EU, US = Region("eu-de"), Region("us-va")
ACME, RIVAL = UUID(int=1), UUID(int=2)
CONTRACT, PRICES = UUID(int=11), UUID(int=12)
KEY = DataKey(UUID(int=21), b"1" * 32)


def about(
    tenant: UUID, document: UUID, version: str = "v1/0", part: Part = Part.CHUNK, region: Region = EU
) -> EncryptionContext:
    return EncryptionContext(tenant, region, document, version, part)


@pytest.mark.parametrize(
    "claimed",
    [
        pytest.param(about(RIVAL, CONTRACT), id="moved to another tenant"),
        pytest.param(about(ACME, PRICES), id="moved to another document"),
        pytest.param(about(ACME, CONTRACT, "v2/0"), id="rolled back to an older version"),
        pytest.param(about(ACME, CONTRACT, "v1/1"), id="moved to another place in the document"),
        pytest.param(about(ACME, CONTRACT, part=Part.TITLE), id="shown as the title"),
        pytest.param(about(ACME, CONTRACT, region=US), id="carried to another region"),
    ],
)
def test_an_envelope_opens_only_where_it_belongs(claimed: EncryptionContext) -> None:
    """An intruder in the stores who moves an envelope elsewhere makes it unreadable; at its own place it still opens."""
    envelope = seal(KEY, about(ACME, CONTRACT), b"the contract")
    with pytest.raises(DecryptionFailed):
        unseal(KEY, claimed, envelope)
    assert unseal(KEY, about(ACME, CONTRACT), envelope) == b"the contract"


def test_parts_of_two_envelopes_do_not_combine() -> None:
    """Nonce, ciphertext and tag of different envelopes under one key, put together, do not open."""
    context = about(ACME, CONTRACT)
    one, other = seal(KEY, context, b"pay 100"), seal(KEY, context, b"pay 999")
    for cut in (56, 62, len(one) - 16):
        with pytest.raises(DecryptionFailed):
            unseal(KEY, context, one[:cut] + other[cut:])


def test_the_header_cannot_be_rewritten_for_another_key() -> None:
    """Giving an envelope another key's id and commitment does not make that key open it."""
    context = about(ACME, CONTRACT)
    mine = DataKey(UUID(int=22), b"2" * 32)
    forged = seal(mine, context, b"x")[:50] + seal(KEY, context, b"the contract")[50:]
    with pytest.raises(DecryptionFailed):
        unseal(mine, context, forged)


@pytest.mark.parametrize("prefix", [b"\x00\x02", b"\x02\x02", b"\x01\x00", b"\x01\x01", b"\x01\x03", b"\xff\xff"])
def test_no_other_version_or_algorithm_is_accepted(prefix: bytes) -> None:
    """An envelope cannot be passed off as one of an older or unknown format."""
    context = about(ACME, CONTRACT)
    with pytest.raises(DecryptionFailed):
        unseal(KEY, context, prefix + seal(KEY, context, b"x")[2:])


def test_equal_documents_do_not_look_equal() -> None:
    """Whoever reads the stores cannot tell that two tenants hold the same text: no 8 bytes after the header are shared."""
    text = b"the same contract text, word for word, in both tenants"
    one, other = seal(KEY, about(ACME, CONTRACT), text)[50:], seal(KEY, about(RIVAL, CONTRACT), text)[50:]
    assert not {one[i : i + 8] for i in range(len(one) - 7)} & {other[i : i + 8] for i in range(len(other) - 7)}


def test_one_ciphertext_that_opens_under_two_keys_is_refused_under_the_second() -> None:
    """The attack on GCM that key commitment is there for, carried out: GCM alone opens it both ways, the envelope does not.

    An insider who knows two data keys could otherwise store one envelope that shows the auditor another text than the user.
    """
    context = about(ACME, CONTRACT)
    users, auditors = KEY, DataKey(KEY.id, b"2" * 32)
    nonce = b"attackers-iv"
    sealing = [_Gcm(key, context, nonce) for key in (users, auditors)]
    block = _divide(sealing[0].rest ^ sealing[1].rest, sealing[0].weight ^ sealing[1].weight)
    tag = sealing[0].rest ^ _multiply(block, sealing[0].weight)
    body = block.to_bytes(16, "big") + tag.to_bytes(16, "big")

    texts = {gcm.cipher.decrypt(nonce, body, gcm.associated) for gcm in sealing}
    assert len(texts) == 2, "GCM alone was fooled"

    envelope = sealing[0].header + nonce + body
    assert unseal(users, context, envelope) in texts
    with pytest.raises(DecryptionFailed):
        unseal(auditors, context, envelope)


class _Gcm:
    """GCM's tag over one ciphertext block as a linear equation: tag = rest + block * weight, in GF(2**128)."""

    def __init__(self, key: DataKey, context: EncryptionContext, nonce: bytes) -> None:
        secret = key.derive(b"domicile/envelope/2/encryption" + context.encode())
        self.cipher = AESGCM(secret)
        self.header = b"\x01\x02" + key.id.bytes + key.sealing().header[18:]
        self.associated = self.header + context.encode()
        block_cipher = Cipher(AES(secret), ECB()).encryptor()  # noqa: S305  # GCM's own parts are built from it
        h = int.from_bytes(block_cipher.update(bytes(16)), "big")
        mask = int.from_bytes(block_cipher.update(nonce + b"\x00\x00\x00\x01"), "big")
        lengths = (len(self.associated) * 8) << 64 | 128
        padded = self.associated + bytes(-len(self.associated) % 16)
        digest = 0
        for start in range(0, len(padded), 16):
            digest = _multiply(digest ^ int.from_bytes(padded[start : start + 16], "big"), h)
        digest = _multiply(digest, h)  # the ciphertext block, as if it were zero
        self.rest = _multiply(digest ^ lengths, h) ^ mask
        self.weight = _multiply(h, h)


def _multiply(x: int, y: int) -> int:
    """In GCM's field, bits in its order (NIST SP 800-38D, algorithm 1)."""
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product


def _divide(x: int, y: int) -> int:
    """x * y**(2**128 - 2): Fermat's inverse."""
    for _ in range(127):
        y = _multiply(y, y)
        x = _multiply(x, y)
    return x
