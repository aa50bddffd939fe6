"""Signatures of policy bundles: their form, and what is refused of it."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.crypto.bundle_signature import MOST_BYTES, PREFIX, encode, read, sign, verify
from domicile.crypto.signatures import SigningKey
from domicile.domain.errors import PolicyInvalid

KEY, OTHER = SigningKey(b"policies" * 4), SigningKey(b"whatever" * 4)
DIGEST = hashlib.sha256(b"policies").hexdigest()
TIME = "2026-11-24T12:00:00.000000Z"
FILE = encode(sign(DIGEST, KEY, TIME))


def test_the_form_is_as_documented() -> None:
    """One line of canonical JSON; the signature is over the prefix and the statement's bytes in it."""
    assert FILE.endswith(b'"}}\n')
    statement = FILE[FILE.index(b'"statement":') + len(b'"statement":') : -2]
    assert json.loads(statement) == {
        "algorithm": "Ed25519",
        "digest": DIGEST,
        "format": "domicile-policy-bundle/1",
        "key_id": KEY.public.id,
        "signed_at": TIME,
    }
    assert KEY.public.verifies(sign(DIGEST, KEY, TIME).signature, PREFIX + statement)
    assert not KEY.public.verifies(sign(DIGEST, KEY, TIME).signature, statement)


def test_any_of_several_signers_is_enough() -> None:
    """While a key is replaced, both are listed."""
    for signers in ([KEY.public], [OTHER.public, KEY.public], [KEY.public, OTHER.public]):
        assert verify(FILE, DIGEST, signers).key_id == KEY.public.id
    assert verify(FILE.removesuffix(b"\n"), DIGEST, [KEY.public]).signed_at == TIME


def test_without_signers_nobody_is_trusted() -> None:
    """An empty list must not come to mean anybody."""
    with pytest.raises(PolicyInvalid, match="does not trust"):
        verify(FILE, DIGEST, [])


@pytest.mark.parametrize(
    ("forged", "says"),
    [
        (b"", "cut off"),
        (b"null", "cut off"),
        (b"\xff\xfe", "cut off"),
        (b"[" * 4000, "cut off"),
        (FILE[:-20], "cut off"),
        (FILE.replace(b"Ed25519", b"none"), "cut off"),
        (FILE.replace(b"bundle/1", b"bundle/2"), "cut off"),
        (FILE.replace(b'"algorithm":"Ed25519",', b""), "cut off"),
        (FILE.replace(b'"algorithm"', b'"remark":"approved","algorithm"'), "cut off"),
        (FILE.replace(b'{"signature"', b'{"remark":"approved","signature"'), "cut off"),
        (FILE.replace(TIME.encode(), b"yesterday"), "cut off"),
        (FILE.replace(DIGEST.encode(), DIGEST.upper().encode()), "cut off"),
        (FILE.replace(b'"digest":', b'"digest":"' + DIGEST.encode() + b'","digest":'), "not written as"),
        (FILE.replace(b'{"algorithm"', b'{ "algorithm"'), "not written as"),
        (FILE.replace(b"Ed25519", b"Ed2551\\u0039"), "not written as"),
        (FILE + b"\n", "not written as"),
        (FILE + FILE, "cut off"),
        (b" " * MOST_BYTES + FILE, "too large"),
    ],
)
def test_another_form_is_refused(forged: bytes, says: str) -> None:
    """Also where a lenient reader would see the same: members repeated or unknown, blanks, escapes."""
    for attempt in (lambda: read(forged, DIGEST), lambda: verify(forged, DIGEST, [KEY.public])):
        with pytest.raises(PolicyInvalid, match=says):
            attempt()


def test_a_stolen_name_does_not_help() -> None:
    """A key signs under its own id only: under another's, the signature does not fit."""
    forged = FILE.replace(KEY.public.id.encode(), OTHER.public.id.encode())
    with pytest.raises(PolicyInvalid, match="though it says so"):
        verify(forged, DIGEST, [KEY.public, OTHER.public])


def test_a_changed_time_does_not_pass() -> None:
    """The statement is signed as a whole."""
    with pytest.raises(PolicyInvalid, match="though it says so"):
        verify(FILE.replace(b"2026", b"2027"), DIGEST, [KEY.public])


@given(st.integers(0, len(FILE) - 2), st.integers(1, 255))
def test_no_changed_byte_passes(position: int, change: int) -> None:
    """Every byte of the file counts, those of the signature included."""
    forged = bytearray(FILE)
    forged[position] ^= change
    with pytest.raises(PolicyInvalid):
        verify(bytes(forged), DIGEST, [KEY.public])


@given(st.integers(0, len(FILE) - 2))
def test_no_shortened_file_passes(length: int) -> None:
    """A write that broke off leaves no signature."""
    with pytest.raises(PolicyInvalid):
        verify(FILE[:length], DIGEST, [KEY.public])


@given(st.binary(max_size=600))
def test_whatever_it_is_it_is_refused_in_a_sentence(body: bytes) -> None:
    """No input makes it fail otherwise."""
    with pytest.raises(PolicyInvalid):
        read(body, DIGEST)
