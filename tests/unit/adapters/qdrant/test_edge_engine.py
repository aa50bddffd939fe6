"""The embedded engine's shard on disk."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import qdrant_edge as engine
from tests.fakes.people import document
from tests.fakes.vector_index import point_of

from domicile.adapters.qdrant.edge_engine import EDGE_DIALECT, _config, _payload_indexes, open_shard
from domicile.adapters.qdrant.filters import compile_scope
from domicile.adapters.qdrant.points import DENSE, payload_of
from domicile.domain.marks import FOREVER, NOBODY
from domicile.policy.scope import AllOf, Between, Field, IsEmpty, Not, OneOf, Scope

#: The fields that came with the second revision of the model.
LATER = {Field.OWNER, Field.LABELS, Field.PERSONAL_DATA, Field.VALID_FROM, Field.VALID_UNTIL}


def _of_the_first_revision(folder: Path) -> None:
    """A shard as it was made before there were those fields, with one point."""
    folder.mkdir()
    shard = engine.EdgeShard.create(str(folder), _config(2))
    for key, index in _payload_indexes().items():
        if key not in LATER:
            shard.update(engine.UpdateOperation.create_field_index(key, index))
    payload = {key: value for key, value in payload_of(point_of(document(), UUID(int=1))).items() if key not in LATER}
    shard.update(
        engine.UpdateOperation.upsert_points([engine.Point(id=UUID(int=1), vector={DENSE: [1.0, 0.0]}, payload=payload)])
    )
    shard.flush()
    shard.close()


def _found(shard: engine.EdgeShard, scope: Scope) -> int:
    return shard.count(engine.CountRequest(filter=compile_scope(scope, EDGE_DIALECT), exact=True))


def test_a_shard_from_before_gets_the_indexes_that_it_lacks(tmp_path: Path) -> None:
    """Its points are unowned, unlabelled, not personal and always valid, as they were, without being written again."""
    _of_the_first_revision(tmp_path / "index")
    shard = open_shard(tmp_path / "index", dimensions=2)
    as_before = AllOf(
        (
            OneOf(Field.OWNER, frozenset({str(NOBODY)})),
            OneOf(Field.PERSONAL_DATA, frozenset({"false"})),
            IsEmpty(Field.LABELS),
            Between(Field.VALID_FROM, high=0),
            Between(Field.VALID_UNTIL, low=FOREVER),
        )
    )
    try:
        assert set(shard.info().payload_schema) == set(_payload_indexes())
        assert [_found(shard, each) for each in (as_before, Not(as_before))] == [1, 0]
        assert _found(shard, Between(Field.VALID_UNTIL, high=FOREVER - 1)) == 0
    finally:
        shard.close()
