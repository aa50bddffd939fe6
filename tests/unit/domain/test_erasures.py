"""The order of an erasure's steps."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from domicile.domain.erasures import ErasedStore, Stage, following

FOUND = st.dictionaries(st.sampled_from(ErasedStore), st.integers(0, 5))


def test_every_stage_comes_once_and_reading_back_is_last() -> None:
    """From the first on, with nothing found."""
    seen = [Stage.ROWS]
    while (after := following(seen[-1], {})) is not None:
        seen.append(after)
    assert seen == list(Stage)


@given(FOUND, st.sampled_from(Stage))
def test_it_only_ends_with_nothing_found(found: Mapping[ErasedStore, int], stage: Stage) -> None:
    """Nothing but reading back ends it, and not while any store has something left."""
    ends = following(stage, found) is None
    assert ends == (stage is Stage.READ_BACK and not any(found.values()))


@given(FOUND.filter(lambda found: any(found.values())))
def test_what_was_found_is_removed_again(found: Mapping[ErasedStore, int]) -> None:
    """Every step that removes from a store in which something was found comes once more, and then they are asked again."""
    removes = {
        ErasedStore.DATABASE: Stage.ROWS,
        ErasedStore.KEYS: Stage.KEYS,
        ErasedStore.INDEX: Stage.POINTS,
        ErasedStore.BLOBS: Stage.BLOBS,
    }
    again, stage = [], following(Stage.READ_BACK, found)
    while stage is not None and stage is not Stage.READ_BACK:
        again.append(stage)
        stage = following(stage, {})
    assert stage is Stage.READ_BACK
    assert {removes[store] for store, count in found.items() if count} <= set(again)
