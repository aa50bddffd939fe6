"""A policy cut into the demands that it makes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.policy import shipped_bundle

from domicile.domain.errors import PolicyInvalid
from domicile.policy.clauses import Clause, as_permits, clauses_of
from domicile.policy.parsing import identified
from domicile.policy.sources import PolicySource

#: What a condition can hold that looks like its end.
_STRINGS = st.text(st.sampled_from('{}()[],; "@/aé'), max_size=8)


def source(text: str) -> PolicySource:
    return PolicySource("test.cedar", 1, text, "permit")


def quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["when", "unless"]), _STRINGS, _STRINGS), max_size=4), _STRINGS)
def test_each_condition_is_cut_out_as_it_is_written(conditions: list[tuple[str, str, str]], reason: str) -> None:
    """Whatever brackets, commas and words its strings and comments hold."""
    written = [(kind, f"{{ // {noise}\n context.method == {quoted(text)} }}") for kind, noise, text in conditions]
    head = '@id("x") @when("no clause") permit (principal, action in [Action::"a", Action::"b"], resource is Document)'
    cut = clauses_of(source(f"{head} @reason({quoted(reason)})".replace("@reason", "//@reason") + "\n" + _joined(written)))
    assert [each.text for each in cut[:3]] == ["principal", 'action in [Action::"a", Action::"b"]', "resource is Document"]
    assert [(each.kind, each.text) for each in cut[3:]] == written


def _joined(conditions: list[tuple[str, str]]) -> str:
    return "\n".join(f"{kind} {text}" for kind, text in conditions) + ";"


def test_every_shipped_policy_is_its_demands_taken_together() -> None:
    """Head and conditions, read back one by one, are those of the whole policy."""
    for id_, each in shipped_bundle().sources.items():
        ((_, whole),) = identified(each.file, each.text)
        parts = as_permits({f"part-{number}": clause for number, clause in enumerate(clauses_of(each))})
        assert [part["effect"] for part in parts.values()] == ["permit"] * len(parts), id_
        assert [condition for part in parts.values() for condition in part["conditions"]] == whole["conditions"]


def test_a_comma_after_the_last_part_of_a_head_is_no_further_part() -> None:
    """Cedar's grammar permits one."""
    kinds = [each.kind for each in clauses_of(source('@id("x") permit (principal, action, resource,);'))]
    assert kinds == ["principal", "action", "resource"]


def test_a_text_that_is_no_single_policy_is_not_explained_by_a_guess() -> None:
    """Showing the wrong condition as the reason would be worse than none."""
    with pytest.raises(PolicyInvalid):
        clauses_of(source('@id("x") permit (principal, action, resource); @id("y") forbid (principal, action, resource);'))


def test_a_demand_stands_alone() -> None:
    """As a policy that permits exactly where it is met."""
    assert Clause("when", "{ true }").permit == "permit (principal, action, resource) when { true };"
    assert Clause("resource", "resource is Document").permit == "permit (principal, action, resource is Document);"
