"""Bodies of chunks get smaller before they are sealed, and old ones still open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.crypto.compaction import compacted, expanded
from domicile.domain.errors import DecryptionFailed

bodies = st.text().map(lambda text: b'{"text":"' + text.encode("utf-8", "replace") + b'"}')


@given(bodies)
def test_every_body_comes_back_and_none_grows(body: bytes) -> None:
    """Short texts that compression would make longer are kept as they are."""
    assert expanded(compacted(body)) == body
    assert len(compacted(body)) <= len(body)


def test_a_body_from_before_opens_as_it_is() -> None:
    """Chunks that were sealed without compression begin with a brace."""
    assert expanded(b'{"text":"old"}') == b'{"text":"old"}'


def test_what_no_version_wrote_is_a_failed_decryption() -> None:
    """Authenticated, yet not ours: nothing is said about why."""
    with pytest.raises(DecryptionFailed):
        expanded(b"\x01rubbish")
