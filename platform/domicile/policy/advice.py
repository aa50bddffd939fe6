"""What authors are told about a part of a policy that does not compile: what is wrong, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass

from domicile.policy.expressions import ARITHMETIC, RESOURCE, operands, written
from domicile.policy.operands import ATTRIBUTES, Json, only

_TAGS = frozenset({"getTag", "hasTag"})
_OWN = ", ".join(f"resource.{name}" for name in ATTRIBUTES)


@dataclass(frozen=True, slots=True)
class Advice:
    """``problem`` completes "cannot be turned into a filter over documents:", ``instead`` completes "Write instead:"."""

    problem: str
    instead: str


TOO_LARGE = Advice(
    "a condition is too large or nested too deeply", "[…].contains(…) for many alternatives, or several policies"
)


def on_value(expression: Json) -> Advice:
    """About something that is made of the document where only an attribute of it can stand."""
    operator, arguments = only(expression)
    match operator:
        case ".":
            return _on_attribute(arguments["left"], arguments["attr"])
        case "if-then-else":
            problem, instead = "a value of the document is chosen by 'if'", "if … then resource.region == … else …"
            return Advice(problem, f"the comparison in both branches, {instead}")
        case "Set":
            instead = "a comparison for each member, resource.tenant == … || resource.collection == …"
            return Advice("a set holds something of the document", instead)
        case "Record":
            instead = "a comparison for each attribute, resource.region == … && resource.classification == …"
            return Advice("a record holds something of the document", instead)
        case _ if operator in ARITHMETIC:
            instead = "the arithmetic on the other side, resource.classification < principal.clearance - 1"
            sign = "-" if operator == "neg" else operator
            return Advice(f"'{sign}' is applied to the document's attribute", f"{instead}, or a comparison with a number")
        case _ if operator in _TAGS or isinstance(arguments, list):
            return Advice(f"'{operator}' is applied to the document", f"a test of one of its attributes ({_OWN})")
    instead = "the condition itself, or !(…) where it must not hold"
    return Advice(f"the outcome of '{operator}' is used as a value", instead)


def _on_attribute(owner: Json, name: str) -> Advice:
    if owner == RESOURCE:
        return Advice(f"no filter holds an attribute '{name}' of documents", f"a test of one that it holds ({_OWN})")
    problem = f"{written(owner)}.{name} is an attribute of another entity, which no filter holds"
    if name in ATTRIBUTES and name != "collection":
        return Advice(problem, f"resource.{name}, the document's own")
    return Advice(problem, 'the entities by name, [Collection::"…", Collection::"…"].contains(resource.collection)')


def on_test(expression: Json) -> Advice:
    """About a test of the document that no filter can make."""
    operator, _ = only(expression)
    parts = [written(each) for each in operands(expression)]
    of_document = [part for part in parts if part.split(".")[0] == "resource"]
    own = of_document[0] if of_document else "resource"
    known = next((part for part in parts if part not in of_document), "…")
    match operator:
        case "like":
            values = '"eu-de", "eu-fr"' if own == "resource.region" else '"…", "…"'
            return Advice(f"'like' on {own}", f"the values that it may have, [{values}].contains({own})")
        case _ if len(of_document) > 1:
            instead = "a comparison of each with something known, such as resource.tenant == principal.tenant"
            return Advice(f"'{operator}' has the document on both sides, {parts[0]} and {parts[1]}", instead)
        case "has":
            instead = "nothing, and leave the test out: whatever a filter holds, every document has"
            return Advice(f"'has' looks into {own}, an entity that no filter holds", instead)
        case "==" | "!=" | "contains":
            instead = f"{own}.containsAll([…]) for what it must have, and !{own}.containsAny([…]) for what it must not"
            return Advice(f"'{operator}' compares all of {own} with a set", f"{instead}; {own}.isEmpty() for none")
        case "containsAll":
            instead = f"!{own}.containsAny([…]) with what it must not have"
            return Advice(f"'containsAll' asks whether {known} covers all of {own}", instead)
        case "in":
            instead = f"{own} == principal, or […].contains({own})"
            return Advice(f"'in' looks for what {own} is in, which no filter holds", instead)
    return Advice(f"'{operator}' on {own}", f"a test that a filter can make, of one of {_OWN}")


def on_lookup(expression: Json) -> Advice:
    """About a look into an entity that is not at hand when a filter is made."""
    operator, arguments = only(expression)
    where = written(arguments["left"])
    problem = f"'{operator}' looks into {where}, and only the principal and the document are at hand"
    if operator in ("in", "is"):
        return Advice(problem, f"{where} == …, or […].contains({where})")
    return Advice(problem, f"an attribute of principal, context or resource itself, or {where} == …")
