"""A tenant's own policies: what is accepted, what it is made into, and what is refused with what to write instead."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.fakes.people import HOME, caller, document, principal, tenant
from tests.fakes.policy import shipped_bundle

from domicile.domain.actions import Action
from domicile.domain.errors import PolicyInvalid
from domicile.domain.principals import AuthenticationMethod
from domicile.domain.values import Classification, Role
from domicile.policy.bundle import PolicyBundle
from domicile.policy.decision import DecisionPoint
from domicile.policy.request import Request, TenantResource
from domicile.policy.tenant import LONGEST_TEXT, MOST_OPERATORS, MOST_POLICIES, TENANT_ACTIONS

ACME = tenant("acme")
READ = 'principal, action == Action::"document:read", resource is Document'


def layered(text: str) -> PolicyBundle:
    return shipped_bundle().with_tenant(ACME.id, {"tenant.cedar": text})


def forbidding(condition: str, id_: str = "mine", effect: str = "forbid") -> str:
    return f'@id("{id_}") @reason("Because.") {effect} ({READ}) when {{ {condition} }};'


def refusal(text: str) -> PolicyInvalid:
    with pytest.raises(PolicyInvalid) as refused:
        layered(text)
    return refused.value


def test_a_tenants_policy_decides_under_an_id_of_its_own() -> None:
    """Decision, reason and source name it with the prefix; the text is as it was written."""
    bundle = layered(forbidding("resource.classification > 0", "guard-tenant"))
    decision = DecisionPoint(bundle).decide(Request(caller(), Action.DOCUMENT_READ, document(), HOME))
    assert (decision.allowed, decision.policies, decision.bundle_digest) == (False, ("tenant/guard-tenant",), bundle.digest)
    assert bundle.reasons["tenant/guard-tenant"] == "Because."
    source = bundle.sources["tenant/guard-tenant"]
    assert (source.effect, source.line, source.text) == (
        "forbid",
        1,
        forbidding("resource.classification > 0", "guard-tenant"),
    )
    assert bundle.reasons["guard-tenant"] == shipped_bundle().reasons["guard-tenant"]


def test_a_tenants_permit_permits() -> None:
    """Here members read beyond their clearance."""
    secret = document(classification=Classification.RESTRICTED)
    request = Request(caller(), Action.DOCUMENT_READ, secret, HOME)
    assert not DecisionPoint(shipped_bundle()).decide(request).allowed
    assert DecisionPoint(layered(forbidding("true", effect="permit"))).decide(request).policies == ("tenant/mine",)


def test_the_digest_names_platform_and_text() -> None:
    """Equal texts, equal digests; a comment, and they differ."""
    text = forbidding("true")
    digests = {layered(text).digest, layered(text).digest, layered(text + "// x").digest, shipped_bundle().digest}
    assert len(digests) == 3
    other = PolicyBundle.with_tenant(layered(forbidding("false")), ACME.id, {"tenant.cedar": forbidding("true", "another")})
    assert other.digest != shipped_bundle().with_tenant(ACME.id, {"tenant.cedar": forbidding("true", "another")}).digest


@pytest.mark.parametrize("text", ["", "  \n", "// nothing yet\n"])
def test_a_text_without_policies_leaves_the_platforms_alone(text: str) -> None:
    """That is how a tenant takes its own policies back."""
    assert layered(text) is shipped_bundle()


def test_requests_that_a_tenant_says_nothing_about_keep_the_platforms_very_policies() -> None:
    """Not even parsed anew."""
    bundle = layered(forbidding("true"))
    for key, policies in shipped_bundle().applicable.items():
        assert (bundle.applicable[key] is policies) == (key[0] not in TENANT_ACTIONS)


@pytest.mark.parametrize(
    "head",
    [
        "principal, action, resource",
        'principal, action == Action::"policy:write", resource',
        'principal, action in [Action::"document:read", Action::"session:create"], resource',
    ],
)
def test_a_policy_names_its_actions_from_the_short_list(head: str) -> None:
    """The advice says what to write."""
    refused = refusal(f'@id("open") forbid ({head});')
    assert refused.members["policy"] == "open"
    assert 'Action::"document:read"' in refused.advice
    assert "policy:write" not in refused.advice


@pytest.mark.parametrize("id_", ["tenant/mine", "Mine", "a b", "-", "x" * 64, "ä", "a`b", "a\\nb"])
def test_an_id_is_a_plain_short_name(id_: str) -> None:
    """What is in every decision's record can neither pose as something else nor break a line."""
    assert "@id" in str(refusal(forbidding("true", id_)))


def test_the_platforms_own_ids_do_not_pose_as_a_tenants() -> None:
    """The prefix tells the two apart wherever a policy is named."""
    from tests.fakes.policy_texts import on_documents, written

    with pytest.raises(PolicyInvalid, match="tenant/"):
        written(on_documents("true", id_="tenant/mine"))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('permit (principal, action == Action::"document:read", resource);', "@id"),
        ('@id("a") permit (principal == ?principal, action == Action::"document:read", resource);', "template"),
        ('@id("a") permit (principal, action in [], resource);', "action"),
        (forbidding("resource.owner_name == 1"), "schema"),
        (forbidding('principal in Robot::"r2"'), "schema"),
        (forbidding("true", "a") + forbidding("true", "a"), "'a'"),
        (forbidding("true")[:-1], "read"),
        (forbidding('resource.region like "eu-*"'), "mine"),
    ],
)
def test_what_the_platforms_policies_may_not_be_a_tenants_may_not_either(text: str, part: str) -> None:
    """Syntax, schema, ids, templates, and what cannot be compiled into a filter."""
    assert part in str(refusal(text))


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("/" * (LONGEST_TEXT + 1), LONGEST_TEXT),
        (forbidding("true") * (MOST_POLICIES + 1), MOST_POLICIES),
        (forbidding(" && ".join(["true"] * MOST_OPERATORS)), MOST_OPERATORS),
    ],
)
def test_more_than_is_read_is_refused_with_the_limit(text: str, limit: int) -> None:
    """Before Cedar sees any of it."""
    assert refusal(text).members["limit"] == limit


def test_what_is_nested_too_deeply_for_cedar_is_refused_in_words() -> None:
    """It has fewer operators than may be, and still more than Cedar's JSON reads within one another."""
    assert "nested" in str(refusal(forbidding(" && ".join(["true"] * 120))))


_ENDING = """
from tests.unit.policy.test_tenant import forbidding, refusal
import threading

def run():
    for text in {texts}:
        refusal(text)

threading.stack_size(1024 * 1024)
thread = threading.Thread(target=run)
thread.start()
thread.join()
print("alive")
"""


def test_no_text_ends_the_process() -> None:
    """Cedar's parser recurses on the native stack; each of these would overflow it. In a process of its own, to be sure."""
    deep = 10_000
    texts = [
        forbidding("(" * deep + "true" + ")" * deep),
        forbidding("resource" + ".tenant" * 3_000 + " == principal"),
        forbidding("if true then " * 1_000 + "true" + " else false" * 2_000),
        "permit (" + "(" * 30_000,
        f"// a comment ends here\r{'(' * deep}true{')' * deep}",
        forbidding('"\\"" == "' + '" && ' + "(" * deep + "true" + ")" * deep),
    ]
    program = _ENDING.format(texts=texts)
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr[-2000:]


@pytest.mark.parametrize("effect", ["permit", "forbid"])
@pytest.mark.parametrize("condition", ["true", "principal.clearance + 9223372036854775807 > principal.clearance"])
@pytest.mark.parametrize("action", [Action.COLLECTION_LIST, Action.POLICY_WRITE])
def test_no_tenants_policy_says_anything_about_the_operator(effect: str, condition: str, action: Action) -> None:
    """Neither by forbidding nor by failing: who locked the tenant out can be helped."""
    text = f'@id("mine") {effect} (principal, action == Action::"collection:list", resource) when {{ {condition} }};'
    who = caller(principal(role=Role.MEMBER), method=AuthenticationMethod.OPERATOR)
    request = Request(who, action, TenantResource(who.tenant.id), HOME)
    mine, platforms = DecisionPoint(layered(text)).decide(request), DecisionPoint(shipped_bundle()).decide(request)
    assert (mine.allowed, mine.policies) == (True, platforms.policies)


def test_a_tenants_permit_stays_in_the_tenant_whatever_the_platforms_policies_say() -> None:
    """Even where an operator's own policies have no guardrail that says so."""
    from tests.fakes.policy_texts import on_documents, written

    bundle = written(on_documents("false")).with_tenant(ACME.id, {"tenant.cedar": forbidding("true", effect="permit")})
    decisions = DecisionPoint(bundle)
    mine, theirs = document(of=ACME), document(of=tenant("globex"))
    assert decisions.decide(Request(caller(), Action.DOCUMENT_READ, mine, HOME)).allowed
    assert not decisions.decide(Request(caller(), Action.DOCUMENT_READ, theirs, HOME)).allowed


def test_a_tenant_whose_policies_do_not_fit_can_only_read_and_write_them() -> None:
    """And its decisions say by a digest of their own that this is so."""
    bundle = shipped_bundle().without({"tenant.cedar": "broken"})
    who = caller(principal(role=Role.ADMINISTRATOR))
    decisions = DecisionPoint(bundle)
    allowed = {each for each in Action if decisions.decide(Request(who, each, TenantResource(who.tenant.id), HOME)).allowed}
    assert allowed == {Action.POLICY_READ, Action.POLICY_WRITE}
    assert bundle.digest != shipped_bundle().digest
