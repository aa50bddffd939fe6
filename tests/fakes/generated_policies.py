"""Hypothesis strategies for policies on documents, over every attribute and operator that docs/policy.md says can be used.

What is said about an attribute is said in two tables, ``ATTRIBUTES`` (how policies write it) and ``CHOICES`` (what documents
have in it): a new attribute is a line in each.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from hypothesis import strategies as st
from tests.fakes.people import NOON, principal, uid
from tests.fakes.worlds import COLLECTIONS, GROUPS, REGIONS, TENANTS

from domicile.domain.documents import DocumentAttributes
from domicile.domain.marks import ALWAYS, FOREVER, NOBODY, Validity
from domicile.domain.values import Classification
from domicile.policy.scope import Field


def _entities(kind: str, *ids: object) -> tuple[str, ...]:
    return tuple(f'{kind}::"{id_}"' for id_ in ids)


def _texts(*texts: str) -> tuple[str, ...]:
    return tuple(f'"{text}"' for text in texts)


@dataclass(frozen=True)
class Attribute:
    """How policies write an attribute of documents, and what they compare it with: all expressions of Cedar's."""

    path: str
    #: ``entity``, ``text``, ``number``, ``flag``, or ``set`` (of texts or entities).
    kind: str
    #: Of the attribute's type, a set's of its members' type.
    values: tuple[str, ...]
    #: Sets of such values that are known by name.
    sets: tuple[str, ...] = ()
    #: What an entity may be ``in``, by its type; and what may be ``in`` the attribute.
    places: tuple[tuple[str, ...], ...] = ()
    members: tuple[str, ...] = ()


_TENANTS = (*_entities("Tenant", *(each.id for each in TENANTS)), "principal.tenant", "principal.acting_in")
_COLLECTIONS = _entities("Collection", *(each.id for each in COLLECTIONS), "not-an-id")
_DOCUMENTS = _entities("Document", *(uid(f"document/{number}") for number in range(5)))
_GROUPS = _entities("Group", *(each.id for each in GROUPS))
_USERS = _entities("User", *(principal(login, of).id for login in ("mia", "ben") for of in TENANTS))

_LABELS = ("archive", "hr", "works-council")
_TIMES = [int(NOON.timestamp()) + 60 * minutes for minutes in (-1, 0, 1)]
_MOMENTS = ("context.now", "(context.now + 60)", *map(str, (0, -1, *_TIMES, _TIMES[0] + 1, FOREVER, FOREVER + 1)))

#: Every field that a scope can test.
ATTRIBUTES: Mapping[Field, Attribute] = {
    Field.DOCUMENT: Attribute("resource", "entity", _DOCUMENTS, places=(_TENANTS, _COLLECTIONS, _DOCUMENTS)),
    Field.TENANT: Attribute("resource.tenant", "entity", _TENANTS, places=(_TENANTS,), members=("principal", *_USERS)),
    Field.COLLECTION: Attribute(
        "resource.collection", "entity", _COLLECTIONS, ("principal.grant.collections",), (_COLLECTIONS, _TENANTS)
    ),
    Field.REGION: Attribute(
        "resource.region",
        "text",
        (
            *_texts(*(each.name for each in REGIONS), "", "EU-DE"),
            "context.cell_region",
            "context.access_region",
            '(if principal.disabled then "eu-fr" else context.cell_region)',
        ),
        ("context.component_regions", "principal.tenant_regions"),
    ),
    Field.CLASSIFICATION: Attribute(
        "resource.classification",
        "number",
        (*map(str, range(-1, 5)), "9223372036854775807", "principal.clearance", "(principal.clearance - 1)", "{it: 2}.it"),
    ),
    Field.GROUPS: Attribute("resource.groups", "set", _GROUPS, ("principal.groups",), members=("principal", *_GROUPS)),
    Field.OWNER: Attribute("resource.owner", "entity", (*_USERS, "principal"), members=("principal", *_USERS)),
    Field.LABELS: Attribute("resource.labels", "set", _texts(*_LABELS, "No Slug"), ("principal.grant.verbs",)),
    Field.PERSONAL_DATA: Attribute("resource.personal_data", "flag", ("true", "false", "principal.disabled")),
    Field.VALID_FROM: Attribute("resource.valid_from", "number", _MOMENTS),
    Field.VALID_UNTIL: Attribute("resource.valid_until", "number", _MOMENTS),
}

#: What documents have, by the names of ``DocumentAttributes``; tenant and collection are chosen together.
CHOICES: Mapping[str, Sequence[Any]] = {
    "region": REGIONS,
    "classification": list(Classification),
    "groups": [frozenset(each.id for each in GROUPS[first:last]) for first in range(6) for last in range(first, 7)],
    "owner": [NOBODY, *(principal(login, of).id for login in ("mia", "ben") for of in TENANTS)],
    "labels": [frozenset(_LABELS[first:last]) for first in range(3) for last in range(first, 4)],
    "personal_data": [False, True],
    "validity": [ALWAYS, *(Validity(*ends) for ends in combinations((0, *_TIMES, FOREVER), 2))],
}

#: Conditions on who asks, from where and how. They fold away, and decide which other conditions matter.
_ON_CALLERS = (
    "principal.disabled",
    "principal.grant.all_verbs",
    "principal.grant.all_collections && context.cell_region == context.access_region",
    'principal.role == "member"',
    '["administrator", "auditor"].contains(principal.role)',
    'context.method == "api-key"',
    'context has access_region && context.access_region == "unknown"',
    "principal.clearance >= 2",
    "principal.clearance + 1 < 3",
    "principal.groups.isEmpty()",
    f"principal.groups.containsAll([{_GROUPS[0]}, {_GROUPS[1]}])",
    f"principal in {_GROUPS[0]}",
    f"principal in [{', '.join(_GROUPS[2:])}]",
    f"principal is User in {_TENANTS[0]}",
    f"principal == {_USERS[0]}",
    'action == Action::"document:read"',
    'action in [Action::"document:read", Action::"document:delete"]',
    'context.verb like "document:*"',
    'context.access_jurisdiction == ""',
    'context.purpose == "support"',
    "context.strength >= 2",
    'principal.kind == "user" && principal.tenant_regions.contains(context.cell_region)',
    "principal.tenant == principal.acting_in",
    f"{{it: principal.disabled}}.it || principal in {{it: {_GROUPS[1]}}}.it",
    '(if principal.disabled then principal.role else context.method) like "m*"',
    'ip("10.0.0.1").isInRange(ip("10.0.0.0/8")) && context has verb',
    f"principal is User in [{_GROUPS[0]}]",
    "principal.grant == principal.grant",
    "true",
)
#: Conditions that do not compile, for the check at load to find wherever they stand.
NOT_COMPILABLE = (
    "resource.classification + 1 > 2",
    "principal.clearance > resource.classification * 2",
    'resource.region like "eu-*"',
    'resource.collection.region == "eu-de"',
    "resource.tenant == resource.tenant",
    "resource.valid_from + 60 < context.now",
    "resource.valid_from < resource.valid_until",
    "resource.owner.clearance <= principal.clearance",
    "resource.labels.contains(resource.region)",
    "[resource.personal_data].contains(true)",
    f"resource.owner in {_GROUPS[0]}",
    f'User::"u" in {_GROUPS[0]}',
    "resource.groups.containsAll(resource.groups)",
    "(if resource.region == context.cell_region then 1 else principal.clearance) >= resource.classification",
    "(if principal.disabled then principal else principal).clearance == resource.classification",
    f"{{it: principal}}.it in {_GROUPS[0]}",
    "resource.groups == principal.groups",
    "principal.groups.containsAll(resource.groups)",
    "[resource.tenant].contains(principal.tenant)",
    "principal.grant.collections.containsAny([resource.collection])",
    '{region: resource.region} == {region: "eu-de"}',
    "(resource.classification > 1) == principal.disabled",
    '(if principal.disabled then resource.region else "eu-de") == "eu-fr"',
    f"{_TENANTS[0]} in principal.tenant",
    f"principal.tenant in {_TENANTS[0]}",
    f'{_COLLECTIONS[0]}.region == "eu-de"',
    f"{_DOCUMENTS[0]} in resource.tenant",
    f"{_DOCUMENTS[0]}.classification > 1",
    "principal.tenant has region",
    "resource.collection has region",
)


def a_document(number: int, choose: random.Random) -> DocumentAttributes:
    """One with something of ``CHOICES`` in each attribute; its id is that of ``document/<number>``."""
    where = choose.choice(COLLECTIONS)
    chosen = {name: choose.choice(choices) for name, choices in CHOICES.items()}
    return DocumentAttributes(where.tenant_id, uid(f"document/{number}"), where.id, **chosen)


def some_documents(count: int) -> list[DocumentAttributes]:
    """As varied as that many can be, and the same in each run."""
    choose = random.Random(count)  # noqa: S311  # nothing is protected by it
    return [a_document(number, choose) for number in range(count)]


def _literals(members: Sequence[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(members), min_size=1, max_size=3).map(lambda chosen: f"[{', '.join(chosen)}]")


def _sets(of: Attribute) -> st.SearchStrategy[str]:
    return _literals(of.values) | st.sampled_from(of.sets) if of.sets else _literals(of.values)


def _tests(of: Attribute) -> st.SearchStrategy[str]:
    """Every test that its kind of attribute can be put to."""
    path, values, sets = of.path, st.sampled_from(of.values), _sets(of)
    equality = [f"{path} == {{}}", f"{path} != {{}}", f"{{}} == {path}"]
    order = [form.replace("==", sign) for form in (equality[0], equality[2]) for sign in ("<", "<=", ">", ">=")]
    found = []
    match of.kind:
        case "flag":
            found = [st.just(path), *(values.map(form.format) for form in equality), sets.map(f"{{}}.contains({path})".format)]
        case "set":
            both = [f"{path}.containsAny({{}})", f"{path}.containsAll({{}})", f"{{}}.containsAny({path})"]
            found = [st.just(f"{path}.isEmpty()"), values.map(f"{path}.contains({{}})".format)]
            found += [sets.map(form.format) for form in both]
        case kind:
            forms = equality + (order if kind == "number" else [])
            found = [*(values.map(form.format) for form in forms), sets.map(f"{{}}.contains({path})".format)]
    if of.places:
        places = st.sampled_from(of.places).flatmap(lambda alike: st.sampled_from(alike) | _literals(alike))
        found.append(places.map(f"{path} in {{}}".format))
    if of.members:
        found.append(st.sampled_from(of.members).map(f"{{}} in {path}".format))
    return st.one_of(found)


_ON_TYPE = st.sampled_from(
    [
        "resource is Document",
        "resource is Collection",
        f"resource is Document in {_TENANTS[0]}",
        "resource.tenant is Tenant",
        "resource.collection is Collection in principal.tenant",
        "resource has region",
        "resource has shoe_size",
    ]
)
_TESTS = st.sampled_from(list(ATTRIBUTES.values())).flatmap(_tests)
_COMPILABLE = st.one_of(_TESTS, _TESTS, _TESTS, st.sampled_from(_ON_CALLERS), _ON_TYPE)
#: Now and then one that does not compile.
_ANY = st.integers(0, 24).flatmap(lambda draw: _COMPILABLE if draw else st.sampled_from(NOT_COMPILABLE))

conditions: st.SearchStrategy[str] = st.recursive(
    _ANY.map("({})".format),
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!{}".format, inner.map("({})".format)),
        st.builds("(if {} then {} else {})".format, inner, inner, inner),
    ),
    max_leaves=5,
)

_PRINCIPALS = [
    "principal",
    "principal is User",
    f"principal in {_GROUPS[0]}",
    f"principal == {_USERS[0]}",
    f"principal in {_TENANTS[0]}",
]
_READING = 'action == Action::"document:read"'
#: Actions with resources. What may be something else than a document has not all of its attributes.
_HEADS = [
    "action, resource is Document",
    f"action, resource is Document in {_COLLECTIONS[0]}",
    'action in [Action::"document:read", Action::"document:list"], resource is Document',
    f"{_READING}, resource",
    f"{_READING}, resource in {_COLLECTIONS[0]}",
    f"{_READING}, resource in {_TENANTS[0]}",
    f"{_READING}, resource == {_DOCUMENTS[0]}",
]
_PLAIN = "principal, action, resource is Document"
_heads = st.just(_PLAIN) | st.builds("{}, {}".format, st.sampled_from(_PRINCIPALS), st.sampled_from(_HEADS))


@st.composite
def policies(draw: st.DrawFn, number: int, effect: str) -> str:
    """The text of one policy, whose ``@id`` is made of the number. A forbid asks for more, lest it leave nothing to permit."""
    fewest = 1 if effect == "permit" else 2
    asked = draw(st.lists(st.tuples(st.sampled_from(["when", "when", "unless"]), conditions), min_size=fewest - 1, max_size=3))
    return _written(number, effect, draw(_heads), [f"{kind} {{ {condition} }}" for kind, condition in asked])


@st.composite
def policy_sets(draw: st.DrawFn) -> list[str]:
    """One to eight policies. The first one permits some documents, since without a permit there is nothing to tell apart."""
    first = _written(0, "permit", _PLAIN, [f"when {{ {draw(st.one_of(_TESTS, conditions))} }}"])
    effects = draw(st.lists(st.sampled_from(["permit", "forbid"]), max_size=7))
    return [first, *(draw(policies(number, effect)) for number, effect in enumerate(effects, 1))]


def _written(number: int, effect: str, head: str, asked: Sequence[str]) -> str:
    return "\n".join([f'@id("p{number}")', f"{effect} ({head})", *asked]) + ";"
