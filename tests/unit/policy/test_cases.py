"""The cases beside the shipped policies, and how cases are read and run."""

from __future__ import annotations

import pytest
from tests.fakes.policy import POLICIES, shipped_bundle
from tests.fakes.policy_texts import on_documents, written

from domicile.domain.actions import Action
from domicile.domain.errors import PolicyInvalid
from domicile.policy.cases import Case, parse_cases, run_cases, untouched

SHIPPED = parse_cases({path.name: path.read_text("utf-8") for path in (POLICIES / "cases").glob("*.yaml")})
ONE = """
- name: A member reads
  action: document:read
  resource: {kind: document}
  permitted: true
  policies: [all]
"""


@pytest.mark.parametrize("case", SHIPPED, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    """The decision and the policies that determined it."""
    (result,) = run_cases(shipped_bundle(), [case])
    assert (result.decision.allowed, result.decision.policies) == (case.permitted, tuple(sorted(case.policies)))
    assert result.passed


def test_no_case_is_written_twice() -> None:
    """Names are how a failure is found again."""
    names = [case.name for case in SHIPPED]
    assert sorted(set(names)) == sorted(names)


def test_there_is_a_case_for_every_policy() -> None:
    """A policy without a case that it determines could be deleted and nobody would notice."""
    assert untouched(shipped_bundle(), run_cases(shipped_bundle(), SHIPPED)) == []


def test_there_is_a_case_for_every_action() -> None:
    """Of which at least one is permitted."""
    assert set(Action) - {case.action for case in SHIPPED if case.permitted} == set()


def test_a_case_fails_by_its_decision_and_by_what_determined_it() -> None:
    """The right answer for the wrong reason is a failure too; and what no case touches is named."""
    bundle = written(on_documents("true", id_="all"), on_documents("principal.disabled", "forbid", "disabled"))
    cases = parse_cases({"a.yaml": ONE, "b.yaml": ONE.replace("[all]", "[other]"), "c.yaml": ONE.replace("true", "false")})
    results = run_cases(bundle, cases)
    assert [result.passed for result in results] == [True, False, False]
    assert untouched(bundle, results) == ["disabled"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (ONE.replace("document:read", "document:reed"), "document:reed"),
        (ONE.replace("kind: document", "kind: dokument"), "dokument"),
        (ONE.replace("permitted", "allowed"), "allowed"),
        (ONE.replace("  permitted: true\n", ""), "permitted"),
        (ONE.replace("{kind: document}", "{kind: document, clasification: public}"), "clasification"),
        ("- [", "cannot be read"),
        ("name: no list", "cannot be read"),
    ],
)
def test_a_case_that_cannot_be_read_is_refused_and_its_file_named(wrong: str, says: str) -> None:
    """A misspelt member would otherwise test something else than it says."""
    with pytest.raises(PolicyInvalid, match=says) as refusal:
        parse_cases({"mine.yaml": wrong})
    assert refusal.value.members["file"] == "mine.yaml"


def test_a_case_with_an_impossible_value_is_named() -> None:
    """A region or classification that cannot exist."""
    for resource in ("{kind: document, classification: secret}", "{kind: document, region: Mars}"):
        cases = parse_cases({"a.yaml": ONE.replace("{kind: document}", resource)})
        with pytest.raises(PolicyInvalid, match="A member reads"):
            run_cases(shipped_bundle(), cases)


def test_a_folder_without_cases_has_none() -> None:
    """An empty file is no error."""
    assert parse_cases({"a.yaml": "", "b.yaml": "[]"}) == []
