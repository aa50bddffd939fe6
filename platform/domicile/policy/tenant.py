"""A tenant's own policies, made so that they can only ever act within the platform's.

Obligations, labelled where they are met:

1. A text is measured before Cedar reads it: its parser calls itself, and what is long and nested enough ends the process.
2. A tenant's policy names its actions, and only such as a tenant can repair: never those that read and write policies.
3. A tenant's policy is known as one wherever it is named: its id begins with ``tenant/``, which no other policy's does.
4. A tenant's permit permits nothing outside the tenant, whatever the platform's policies say.
5. A tenant's policy says nothing about the operator, not even by failing, so that nobody can lock the operator out.

What no permit can lift is in the platform's forbids; that they win over every permit is Cedar's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import cedarpy

from domicile.domain.actions import Action
from domicile.domain.errors import PolicyInvalid
from domicile.domain.principals import AuthenticationMethod
from domicile.policy.parsing import Policy, parse_policies
from domicile.policy.sources import PolicySource, find_sources

#: What a tenant may decide for itself.
TENANT_ACTIONS = frozenset(
    {
        Action.COLLECTION_LIST,
        Action.DOCUMENT_LIST,
        Action.DOCUMENT_READ,
        Action.DOCUMENT_CREATE,
        Action.DOCUMENT_DELETE,
        Action.SEARCH_CREATE,
        Action.ANSWER_CREATE,
    }
)
#: What the ids of tenants' policies begin with.
PREFIX = "tenant/"
#: The file that a tenant's text is said to be in, in what is wrong with it.
FILE = "tenant.cedar"

#: Bytes of UTF-8: a hundred policies with their reasons. All tenants' are kept in memory, and the longest sets that fit make a
#: decision no slower than a millisecond or two.
LONGEST_TEXT = 32 * 1024
#: Every one of them is looked at in each decision of the tenant, at about a microsecond.
MOST_POLICIES = 100
#: Operators, brackets and dots of one policy: each may nest the others once more. Cedar's parser ends a process that has the
#: usual stack of 8 MiB at more than a thousand, and one with 1 MiB at two hundred.
MOST_OPERATORS = 150

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
#: Cedar's own tokens, as far as it takes to tell strings and comments from the rest. A comment ends with its line.
_TOKENS = re.compile(
    r"""(?P<skipped>\s+|//[^\n\r]*) | (?P<string>"(?:\\.|[^"\\])*") | (?P<word>[A-Za-z_]\w*) | (?P<number>\d+)
    | (?P<sign>&&|\|\||[=!<>]=|::|.)""",
    re.VERBOSE | re.DOTALL,
)
_NESTING_WORDS = frozenset({"if", "then", "else", "in", "has", "like", "is"})
_FLAT_SIGNS = frozenset({",", ";", "@", ":", "::"})


@dataclass(frozen=True, slots=True)
class TenantPolicies:
    """A tenant's policies by their ids, as they are ``written`` and where they were ``found``."""

    tenant_id: UUID
    written: Mapping[str, Policy] = field(default_factory=dict)
    found: Mapping[str, PolicySource] = field(default_factory=dict)

    @property
    def policies(self) -> dict[str, Policy]:
        """As they are in force, by the ids that they have there."""
        return {PREFIX + id_: _confined(policy, self.tenant_id) for id_, policy in self.written.items()}

    @property
    def sources(self) -> dict[str, PolicySource]:
        """Where they were found, by the ids that they have in force."""
        return {PREFIX + id_: source for id_, source in self.found.items()}


def tenant_policies(tenant_id: UUID, texts: Mapping[str, str], schema: cedarpy.Schema) -> TenantPolicies:
    """None if the texts hold nothing but comments. Raises ``PolicyInvalid``."""
    measure(texts)
    if not any(_tokens(text) for text in texts.values()):
        return TenantPolicies(tenant_id)
    parsed = parse_policies(texts, schema)
    for id_, policy in parsed.items():
        _check_id(id_)
        _check_actions(id_, policy)
    return TenantPolicies(tenant_id, parsed, find_sources(texts, parsed))


def measure(texts: Mapping[str, str]) -> None:
    """(1) Raise ``PolicyInvalid``, with the limit, for more than is read."""
    length = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts.values())
    if length > LONGEST_TEXT:
        raise _beyond(f"The policies have {length} bytes, and {LONGEST_TEXT} are read at most.", LONGEST_TEXT, "Shorten them.")
    statements = [each for text in texts.values() for each in _statements(text)]
    if len(statements) > MOST_POLICIES:
        raise _beyond(
            f"There are {len(statements)} policies, and a tenant has {MOST_POLICIES} at most.",
            MOST_POLICIES,
            "Put conditions together with '||'.",
        )
    for position, operators in enumerate(statements, 1):
        if operators > MOST_OPERATORS:
            raise _beyond(
                f"Policy number {position} has {operators} operators and brackets, and {MOST_OPERATORS} are read at most.",
                MOST_OPERATORS,
                "Divide it into several policies.",
            )


def _statements(text: str) -> Iterator[int]:
    """How many operators each statement has, the last one too if no semicolon ends it."""
    operators, started = 0, False
    for lexeme in _tokens(text):
        if lexeme == ";":
            yield operators
            operators, started = 0, False
            continue
        operators, started = operators + _nests(lexeme), True
    if started:
        yield operators


def _tokens(text: str) -> list[str]:
    return [match[0] for match in _TOKENS.finditer(text) if match.lastgroup != "skipped"]


def _nests(lexeme: str) -> bool:
    first = lexeme[0]
    plain = first in {'"', "_"} or first.isalnum()
    return lexeme in _NESTING_WORDS or not (plain or lexeme in _FLAT_SIGNS)


def _check_id(id_: str) -> None:
    """(3)"""
    if not _ID.fullmatch(id_):
        raise PolicyInvalid(
            "A policy's @id may have 1 to 63 lower-case letters, digits and hyphens.",
            hint=f"Write it like @id(\"no-drafts\"); '{PREFIX}' is put before it.",
            file=FILE,
        )


def _check_actions(id_: str, policy: Policy) -> None:
    """(2)"""
    head = policy["action"]
    named = [*head.get("entities", ()), *([head["entity"]] if "entity" in head else ())]
    if head["op"] != "All" and named and all(_is_tenants(each) for each in named):
        return
    allowed = ", ".join(sorted(f'Action::"{each}"' for each in TENANT_ACTIONS))
    raise PolicyInvalid(
        f"Policy '{id_}' does not name its actions, or names some that a tenant's policies say nothing about.",
        hint=f"Write 'action == …' or 'action in […]' in its head, with any of {allowed}.",
        policy=id_,
        file=FILE,
    )


def _is_tenants(entity: Mapping[str, str]) -> bool:
    return entity["type"] == "Action" and entity["id"] in TENANT_ACTIONS


def _confined(policy: Policy, tenant_id: UUID) -> Policy:
    """With conditions put first, so that where they do not hold the policy's own are not even evaluated."""
    method = {".": {"left": {"Var": "context"}, "attr": "method"}}
    conditions = [_when("!=", method, {"Value": AuthenticationMethod.OPERATOR.value})]  # (5)
    if policy["effect"] == "permit":
        own = {"Value": {"__entity": {"type": "Tenant", "id": str(tenant_id)}}}
        conditions.append(_when("in", {"Var": "resource"}, own))  # (4)
    return {**policy, "conditions": [*conditions, *policy["conditions"]]}


def _when(operator: str, left: object, right: object) -> Mapping[str, Any]:
    return {"kind": "when", "body": {operator: {"left": left, "right": right}}}


def _beyond(detail: str, limit: int, hint: str) -> PolicyInvalid:
    return PolicyInvalid(detail, hint=hint, file=FILE, limit=limit)
