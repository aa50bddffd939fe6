"""The filter and the policy are one, whatever the policies: generated ones, on everything that a scope is compiled for.

``HYPOTHESIS_PROFILE=nightly`` makes 2,000 sets of policies instead of 100; ``make nightly`` sets it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.admitting import Admitting, embedded, in_database, in_memory, local_client
from tests.fakes.generated_policies import ATTRIBUTES, policy_sets, some_documents
from tests.fakes.policy import shipped_sources
from tests.fakes.policy_texts import written
from tests.fakes.worlds import callers, regions

from domicile.domain.actions import Action
from domicile.domain.errors import PolicyInvalid
from domicile.domain.principals import Caller
from domicile.domain.values import Region
from domicile.policy.compilable import require_compilable
from domicile.policy.decision import DecisionPoint
from domicile.policy.parsing import parse_policies, parse_schema
from domicile.policy.request import Request
from domicile.policy.scope import Field
from domicile.policy.sources import find_sources

DOCUMENTS = some_documents(240)
SCHEMA = parse_schema(shipped_sources()[0])
#: Of the scopes, the share that must tell documents apart: a filter that lets all or nothing through proves little.
TELLING = 0.25

actions = st.sampled_from([Action.DOCUMENT_READ, Action.DOCUMENT_READ, Action.DOCUMENT_LIST, Action.DOCUMENT_DELETE])


@dataclass
class Tally:
    """What a run was made of, for the line that it leaves in the test report."""

    stores: Sequence[Admitting]
    examples: int = 0
    telling: int = 0
    policies: int = 0
    refused: int = 0
    admitted: set[int] = field(default_factory=set)

    def told(self) -> str:
        return (
            f"generated policies on {', '.join(store.name for store in self.stores)}: {self.examples} examples each, "
            f"{self.telling} scopes neither everything nor nothing ({len(self.admitted)} sizes), "
            f"{self.policies} policies in force, {self.refused} refused at load"
        )


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
def test_this_process_admits_what_the_decision_permits(
    tmp_path: Path, sqlite_url: str, summary_line: Callable[[str], None]
) -> None:
    """The reference in memory, both adapters of the vector index, and SQLite: none admits more or less than is permitted."""
    with asyncio.Runner() as runner:
        stores = [
            in_memory(DOCUMENTS),
            runner.run(embedded(DOCUMENTS, tmp_path / "index")),
            runner.run(local_client(DOCUMENTS)),
            runner.run(in_database("SQLite", DOCUMENTS, sqlite_url)),
        ]
        _prove(runner, stores, summary_line)


@pytest.mark.postgres
def test_postgres_admits_what_the_decision_permits(postgres_url: str, summary_line: Callable[[str], None]) -> None:
    """Whose types, collation and planner are not SQLite's."""
    with asyncio.Runner() as runner:
        _prove(runner, [runner.run(in_database("PostgreSQL", DOCUMENTS, postgres_url))], summary_line)


def _prove(runner: asyncio.Runner, stores: Sequence[Admitting], summary_line: Callable[[str], None]) -> None:
    tally = Tally(stores)

    @settings(deadline=None, suppress_health_check=list(HealthCheck))
    @given(policy_sets(), callers(), actions, regions, st.frozensets(regions, max_size=1))
    def admits_what_is_permitted(
        texts: list[str], who: Caller, action: Action, cell: Region, component_regions: frozenset[Region]
    ) -> None:
        accepted = [text for text in texts if _is_compilable(text)]
        tally.policies += len(accepted)
        tally.refused += len(texts) - len(accepted)
        decisions = DecisionPoint(
            written(*accepted or ['@id("none") forbid (principal, action, resource);']), component_regions
        )
        requests = [Request(who, action, each, cell) for each in DOCUMENTS]
        permitted = {
            each.document_id
            for each, decision in zip(DOCUMENTS, decisions.decide_many(requests), strict=True)
            if decision.allowed
        }
        scope = decisions.scope(who, action, cell)
        for store in stores:
            assert runner.run(_admitted(store, scope)) == permitted, store.name
        tally.examples += 1
        tally.telling += 0 < len(permitted) < len(DOCUMENTS)
        tally.admitted.add(len(permitted))

    try:
        admits_what_is_permitted()
    finally:
        summary_line(tally.told())
        for store in stores:
            runner.run(store.close())
    assert tally.telling >= TELLING * tally.examples
    assert tally.refused > 0


async def _admitted(store: Admitting, scope: object) -> object:
    return await store.admitted(scope)  # type: ignore[arg-type]


def _is_compilable(text: str) -> bool:
    """Whether the check at load lets the policy through. That it is a policy at all, the strategy sees to."""
    files = {"generated.cedar": text}
    parsed = parse_policies(files, SCHEMA)
    try:
        require_compilable(parsed, find_sources(files, parsed))
    except PolicyInvalid:
        return False
    return True


def test_every_field_is_put_to_the_test() -> None:
    """A new attribute of documents that has no line in the strategy's table would not be proven."""
    assert set(ATTRIBUTES) == set(Field)


def test_documents_are_all_different() -> None:
    """In what policies can tell them apart by."""
    assert len({replace(each, document_id=DOCUMENTS[0].document_id) for each in DOCUMENTS}) == len(DOCUMENTS)
