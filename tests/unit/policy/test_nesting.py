"""Texts that would take the parser down are refused before it sees them."""

from __future__ import annotations

import pytest
from tests.fakes.policy_texts import on_documents, written

from domicile.domain.errors import PolicyInvalid
from domicile.policy.nesting import MOST_LEVELS, require_shallow

DEEP = 3000


@pytest.mark.parametrize(
    "condition",
    [
        "(" * DEEP + "true" + ")" * DEEP,
        "!(" * DEEP + "true" + ")" * DEEP,
        "[" * DEEP + "1" + "]" * DEEP + " == 1",
        "{a:" * DEEP + "1" + "}" * DEEP + " == 1",
        "if true then true else " * DEEP + "true",
        "resource" + ".a" * DEEP + " == 1",
        "resource" + ". // here\n a" * DEEP + " == 1",
        "resource has a" + ".a" * DEEP,
    ],
)
def test_a_text_that_is_nested_deeply_is_refused(condition: str) -> None:
    """By its file and line, and without ending the process."""
    with pytest.raises(PolicyInvalid, match=r"more than 100 levels deep \(test\.cedar, line \d+\)"):
        written(on_documents(condition))


@pytest.mark.parametrize("operator", ["&&", "||"])
@pytest.mark.parametrize("count", [160, 450, DEEP])
def test_a_text_of_very_many_operators_is_refused(operator: str, count: int) -> None:
    """They nest, too, once they are parsed; so much that reading or comparing them fails."""
    with pytest.raises(PolicyInvalid, match="too many operators in a row"):
        written(on_documents(f" {operator} ".join(["principal.disabled"] * count)))


@pytest.mark.parametrize("operator", [" + 1", " * 1", " - 1", '["a"]', " && true", " || true", ".contains(1)"])
def test_a_text_that_takes_the_parser_down_without_a_bracket_within_another_is_refused(operator: str) -> None:
    """It calls itself for each operator of a row, and for each index."""
    with pytest.raises(PolicyInvalid, match=r"test\.cedar has too many operators in a row"):
        written(on_documents("1" + operator * 50_000))


@pytest.mark.parametrize(
    "condition",
    ["if " * 99 + "true" + " then true else false" * 99, "principal.clearance" + " * 2" * 90 + " == 1"],
)
def test_what_cedar_parses_but_does_not_read_again_is_refused(condition: str) -> None:
    """By its name: nobody finds it among others without."""
    with pytest.raises(PolicyInvalid, match="Policy 'under-test' is nested too deeply"):
        written(on_documents(condition))


def test_long_texts_are_not_deep() -> None:
    """Many policies, many values, and brackets in strings and comments are all right."""
    regions = ", ".join(f'"([{{{number}"' for number in range(DEEP))
    text = on_documents(f"[{regions}].contains(resource.region) // {'(' * DEEP}\n && (if true then true else false)")
    require_shallow("a.cedar", text * MOST_LEVELS)
    assert written(text).ids == {"under-test"}
