"""What authors are told when a policy on documents does not compile."""

from __future__ import annotations

import pytest
from tests.fakes.generated_policies import NOT_COMPILABLE
from tests.fakes.policy_texts import on_documents, written

from domicile.domain.errors import PolicyInvalid

GROUP = 'Group::"18f7a4a2-5f0c-4f1e-9d5c-5a5f6a1f2b3c"'


def refusal(condition: str) -> PolicyInvalid:
    with pytest.raises(PolicyInvalid) as refused:
        written(on_documents(condition))
    return refused.value


#: A condition; what is said to be wrong with it; and what to write instead.
TAUGHT = [
    ('resource.region like "eu-*"', "'like' on resource.region", '["eu-de", "eu-fr"].contains(resource.region)'),
    ("resource.classification + 1 > 2", "'+' is applied to the document's attribute", "resource.classification <"),
    ("-resource.classification > 2", "'-' is applied to the document's attribute", "the arithmetic on the other side"),
    ('resource.collection.region == "eu-de"', "resource.collection.region is an attribute of another", "resource.region"),
    (
        "resource.tenant == resource.collection.tenant",
        "resource.collection.tenant is an attribute of another",
        "resource.tenant",
    ),
    ("resource.tenant == resource.tenant", "on both sides, resource.tenant and resource.tenant", "principal.tenant"),
    (
        f"[{GROUP}].containsAll(resource.groups)",
        f"'containsAll' asks whether [{GROUP}] covers all of resource.groups",
        "!resource.groups.containsAny([…])",
    ),
    ("resource.groups == principal.groups", "'==' compares all of resource.groups", "resource.groups.containsAll([…])"),
    ("principal.groups != resource.groups", "'!=' compares all of resource.groups", "resource.groups.isEmpty()"),
    (f"[[{GROUP}]].contains(resource.groups)", "'contains' compares all of resource.groups", "resource.groups.containsAll"),
    ("principal.grant.collections.containsAny([resource.collection])", "a set holds something of the document", "||"),
    ('{here: resource.region} == {here: "eu-de"}', "a record holds something of the document", "&&"),
    ('(if principal.disabled then resource.region else "a") == "b"', "chosen by 'if'", "the comparison in both branches"),
    ('(resource.region == "eu-de") == principal.disabled', "the outcome of '==' is used as a value", "the condition itself"),
    ("[true].contains(resource has region)", "the outcome of 'has' is used as a value", "!(…)"),
    ('resource.hasTag("x")', "'hasTag' on resource", "resource.region"),
    ("resource.collection has region", "'has' looks into resource.collection", "leave the test out"),
    (
        'Collection::"c".region == context.cell_region',
        'looks into Collection::"c", and only the principal and the document are at hand',
        'Collection::"c" == …',
    ),
    ('principal.tenant in Tenant::"t"', "'in' looks into principal.tenant", "[…].contains(principal.tenant)"),
    ('principal.tenant is Tenant in Tenant::"t"', "'is' looks into principal.tenant", "principal.tenant == …"),
    ('Document::"d" in resource.tenant', "'in' looks into Document::\"d\"", 'Document::"d" == …'),
]


@pytest.mark.parametrize(("condition", "problem", "instead"), TAUGHT)
def test_a_refusal_says_what_is_wrong_and_what_to_write_instead(condition: str, problem: str, instead: str) -> None:
    """Each construct has its own words, with the author's own operands where they help."""
    refused = refusal(condition)
    assert str(refused).startswith("Policy 'under-test' cannot be turned into a filter over documents: ")
    assert problem in str(refused)
    assert refused.advice.startswith("Write instead: ")
    assert instead in refused.advice


@pytest.mark.parametrize("condition", NOT_COMPILABLE)
def test_the_author_is_never_left_without_a_way_on(condition: str) -> None:
    """Whatever it is that does not compile, a concrete expression is there to be written instead."""
    refused = refusal(condition)
    assert any(word in refused.advice for word in ("resource", "==", "!(", "[…].contains(", "leave the test out"))
    assert "{" not in str(refused)
