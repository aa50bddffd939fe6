"""Encryption contexts: their encoding is one to one."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domicile.crypto.context import EncryptionContext, Part
from domicile.domain.values import Region

words = st.text(st.characters(codec="utf-8"), max_size=20)
contexts = st.builds(
    EncryptionContext, st.uuids(), st.sampled_from([Region("eu-de"), Region("eu-d")]), st.uuids(), words, st.sampled_from(Part)
)


@given(contexts, contexts)
def test_no_two_contexts_encode_alike(one: EncryptionContext, other: EncryptionContext) -> None:
    """Equal encodings mean equal contexts, and the other way round."""
    assert (one.encode() == other.encode()) == (one == other)


def test_the_encoding_is_length_prefixed() -> None:
    """Each field is preceded by its length in four bytes, in the documented order."""
    context = EncryptionContext(UUID(int=1), Region("eu-de"), UUID(int=2), "é", Part.TITLE)
    fields = [str(UUID(int=1)), "eu-de", str(UUID(int=2)), "é", "title"]
    assert context.encode() == b"".join(len(raw).to_bytes(4, "big") + raw for raw in map(str.encode, fields))
