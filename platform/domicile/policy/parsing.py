"""Cedar policy texts to one set of policies by their ``@id``, and which of them can apply to which kind of request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import cedarpy
import msgspec

from domicile.domain.actions import Action
from domicile.domain.errors import PolicyInvalid
from domicile.policy.entities import encode
from domicile.policy.nesting import is_deep, require_shallow, too_many

#: A policy in Cedar's JSON format.
Policy = Mapping[str, Any]

_ACTIONS = {action.value for action in Action}


def parse_schema(text: str) -> cedarpy.Schema:
    try:
        return cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise PolicyInvalid(f"The policy schema cannot be read: {error}") from error


def parse_policies(files: Mapping[str, str], schema: cedarpy.Schema) -> dict[str, Policy]:
    """Every policy by its ``@id``, checked against the schema. Raises ``PolicyInvalid`` naming the policy, or its file."""
    policies: dict[str, Policy] = {}
    for name, text in sorted(files.items()):
        for id_, policy in identified(name, text):
            if id_ in policies:
                raise PolicyInvalid(f"Two policies have the @id '{id_}'; the second one is in {name}.", policy=id_)
            policies[id_] = policy
        _validate(name, text, schema)
    if not policies:
        raise PolicyInvalid("There is no policy at all, so nothing would ever be permitted.")
    return policies


def identified(name: str, text: str) -> Iterator[tuple[str, Policy]]:
    """The policies of one text by their ``@id``, in no particular order. Raises ``PolicyInvalid``, naming the file."""
    require_shallow(name, text)
    try:
        parsed = msgspec.json.decode(cedarpy.policies_to_json_str(text))
    except RecursionError:
        raise too_many(name) from None
    except ValueError as error:
        raise PolicyInvalid(f"{name} cannot be read: {error}", file=name) from error
    if parsed["templates"] or parsed["templateLinks"]:
        raise PolicyInvalid(f"{name} holds a policy template; write it out as policies.", file=name)
    for position, policy in parsed["staticPolicies"].items():
        if is_deep(policy):
            raise too_many(name)
        id_ = policy.get("annotations", {}).get("id")
        if not id_:
            raise PolicyInvalid(f"A policy in {name} has no @id annotation ({position}, counted from 0).", file=name)
        yield id_, policy


def policy_set(policies: Mapping[str, Policy]) -> cedarpy.PolicySet:
    """A parsed handle whose policies are named by the keys, so that decisions and errors name them so, too."""
    return cedarpy.PolicySet.from_json_str(encode({"templates": {}, "staticPolicies": dict(policies), "templateLinks": []}))


def require_readable(policies: Mapping[str, Policy]) -> None:
    """Raises ``PolicyInvalid`` for the first policy that Cedar does not read again from what it was parsed into."""
    for id_, policy in policies.items():
        try:
            policy_set({id_: policy})
        except ValueError:
            # Cedar reads no deeper than some sixty operators within one another, and says so without a name.
            hint = "Divide it into several policies."
            raise PolicyInvalid(f"Policy '{id_}' is nested too deeply.", hint=hint, policy=id_) from None


def applicable(policies: Mapping[str, Policy], action: Action, resource_type: str) -> dict[str, Policy]:
    """The policies whose head may match; the others can neither determine such a decision nor fail in it."""
    return {
        id_: policy
        for id_, policy in policies.items()
        if _may_match_action(policy["action"], action) and _may_match_type(policy["resource"], resource_type)
    }


def mentions(policies: Iterable[Policy], entity_type: str) -> bool:
    """Whether any policy names a particular entity of that type."""
    return any(node.get("type") == entity_type and "id" in node for policy in policies for node in _objects(policy))


def tells_time(policy: Policy) -> bool:
    """Whether the policy may come out differently at another time: it reads ``context.now``, or the context as a whole."""
    return any(_reads_time(condition["body"]) for condition in policy["conditions"])


def _reads_time(node: object) -> bool:
    match node:
        case {".": {"left": {"Var": "context"}, "attr": name}}:
            return bool(name == "now")
        case {"Var": "context"}:
            return True
        case Mapping():
            return any(map(_reads_time, node.values()))
        case list():
            return any(map(_reads_time, node))
    return False


def _validate(name: str, text: str, schema: cedarpy.Schema) -> None:
    result = cedarpy.validate_policies(text, schema)
    if result.validation_passed:
        return
    first = result.errors[0]
    id_ = result.id_annotations_by_policy_id.get(first.policy_id, "")
    raise PolicyInvalid(f"Policy '{id_}' in {name} does not fit the schema: {first.error}", policy=id_, file=name)


def _may_match_action(head: Mapping[str, Any], action: Action) -> bool:
    """Anything but plain actions in the head may be a group of actions, and is left for Cedar to look at."""
    named = {entity["id"] for entity in [*head.get("entities", ()), *([head["entity"]] if "entity" in head else ())]}
    return head["op"] == "All" or action.value in named or not named <= _ACTIONS


def _may_match_type(head: Mapping[str, Any], resource_type: str) -> bool:
    return bool(head["op"] != "is" or head["entity_type"] == resource_type)


def _objects(node: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
    children = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    for child in children:
        yield from _objects(child)
