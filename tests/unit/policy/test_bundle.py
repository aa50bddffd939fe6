"""A bundle is checked as a whole when it is loaded."""

from __future__ import annotations

import pytest
from tests.fakes.policy import shipped_bundle, shipped_regions, shipped_sources
from tests.fakes.policy_texts import on_documents, written

from domicile.domain.actions import Action
from domicile.domain.errors import PolicyInvalid
from domicile.policy.bundle import PolicyBundle

SCHEMA, POLICIES = shipped_sources()


def test_the_digest_names_the_texts() -> None:
    """Equal texts in any order have one digest; any change, even of a name or a space, has another."""
    digest, regions = shipped_bundle().digest, shipped_regions()
    assert PolicyBundle.parse(SCHEMA, dict(reversed(POLICIES.items())), regions).digest == digest
    assert PolicyBundle.parse(SCHEMA + "\n", POLICIES, regions).digest != digest
    name, text = next(iter(POLICIES.items()))
    assert PolicyBundle.parse(SCHEMA, {**POLICIES, name: text + "\n"}, regions).digest != digest
    renamed = {("z" + key if key == name else key): value for key, value in POLICIES.items()}
    assert PolicyBundle.parse(SCHEMA, renamed, regions).digest != digest
    assert PolicyBundle.parse(SCHEMA, POLICIES, regions + "\n").digest != digest


def test_text_moved_between_files_changes_the_digest() -> None:
    """Lengths are hashed too, so that no two bundles run together into the same bytes."""
    one, two = on_documents("true", id_="one"), on_documents("false", id_="two")
    apart = PolicyBundle.parse(SCHEMA, {"a.cedar": one, "b.cedar": two})
    together = PolicyBundle.parse(SCHEMA, {"a.cedar": one + two})
    assert apart.digest != together.digest


def test_every_action_has_policies_only_for_what_it_applies_to() -> None:
    """What the schema does not declare has no policies, so it is denied without any being asked."""
    declared = shipped_bundle().applicable
    assert {action for action, _ in declared} == set(Action)
    assert (Action.DOCUMENT_READ, "Document") in declared
    assert (Action.DOCUMENT_READ, "Tenant") not in declared
    assert (Action.AUDIT_READ, "Document") not in declared


def test_a_schema_without_one_of_the_actions_is_refused() -> None:
    """It would deny that action for ever, which nobody who edits a schema means to do."""
    schema = SCHEMA.replace('"audit:read", ', "")
    with pytest.raises(PolicyInvalid, match="does not declare the action 'audit:read'"):
        PolicyBundle.parse(schema, {"a.cedar": on_documents("true")})


@pytest.mark.parametrize(
    "condition", ["principal.clearance * 4611686018427387904 > 0", "resource.valid_until > context.now + 9223372036854775000"]
)
def test_a_policy_that_fails_for_a_sample_caller_is_refused(condition: str) -> None:
    """Overflow for the highest clearance, or at any time that may come, is found at load, not when the first caller asks."""
    with pytest.raises(PolicyInvalid, match=r"'under-test' \(test.cedar, line 1\) fails for some callers \(role member, clear"):
        written(on_documents(condition))


@pytest.mark.parametrize("role", ["member", "administrator", "auditor"])
@pytest.mark.parametrize("method", ["session", "api-key", "operator"])
def test_policies_of_every_role_and_method_are_checked(role: str, method: str) -> None:
    """A condition that cannot be compiled does not hide behind who has to ask for it to matter."""
    branch = f'principal.role == "{role}" && context.method == "{method}" && resource.classification + 1 > 2'
    with pytest.raises(PolicyInvalid, match="'under-test'"):
        written(on_documents(branch))


@pytest.mark.parametrize("action", ["document:list", "document:read", "document:create", "document:delete"])
def test_every_action_on_documents_is_checked(action: str) -> None:
    """Lists are filtered by the same policies as content."""
    text = on_documents("resource.classification + 1 > 2").replace("document:read", action)
    with pytest.raises(PolicyInvalid, match="'under-test'"):
        written(text)


def test_policies_on_other_resources_need_not_compile() -> None:
    """Only documents are ever filtered; everything else is decided one by one."""
    text = '@id("p") permit (principal, action == Action::"job:read", resource) when { resource.kind like "j*" };'
    assert written(text).ids == {"p"}
