"""What partial evaluation leaves of a policy, compiled into a scope over documents.

A residual is a policy with everything known filled in and the document unknown, in Cedar's JSON policy format
(https://docs.cedarpolicy.com/policies/json-format.html) with ``{"unknown": …}`` where the document stands. Only operators
that cannot fail on a document are compiled, so a compiled scope and a full decision agree also where Cedar would report an
error. Everything else raises ``NotCompilable``, and whoever asked must then admit nothing.
"""

from __future__ import annotations

from domicile.policy.algebra import all_of, any_of, negation
from domicile.policy.operands import Entity, Json, NotCompilable, Operand, Unknown, only, operand_of
from domicile.policy.predicates import BINARY, KINDS, contains, equals, has, is_empty, is_true, within
from domicile.policy.scope import SETS, Everything, Field, Nothing, Scope


class ResidualCompiler:
    """Compiles residuals for one principal, whose entity and ancestors ``principal in resource.groups`` needs."""

    def __init__(self, principal: Entity, ancestors: frozenset[Entity]) -> None:
        self._principal = principal
        self._ancestors = ancestors

    def compile_policy(self, policy: Json) -> Scope:
        """The documents on which the policy is satisfied, be it a permit or a forbid. Raises ``NotCompilable``."""
        if any(policy[part] != {"op": "All"} for part in ("principal", "action", "resource")):
            raise NotCompilable("its head was not evaluated")
        scope: Scope = Everything()
        for condition in policy["conditions"]:
            satisfied = self.compile(condition["body"])
            scope = all_of(scope, satisfied if condition["kind"] == "when" else negation(satisfied))
        return scope

    def compile(self, expression: Json) -> Scope:
        """The documents on which the expression is true. Raises ``NotCompilable``."""
        operator, arguments = only(expression)
        match operator:
            case "Value":
                return _constant(arguments)
            case "!":
                return negation(self.compile(arguments["arg"]))
            case "&&" | "||":
                return self._connective(operator, arguments)
            case "if-then-else":
                return self._conditional(arguments)
            case "." | "isEmpty":
                return is_true(operand_of(expression)) if operator == "." else is_empty(operand_of(arguments["arg"]))
            case "has":
                return has(operand_of(arguments["left"]), arguments["attr"])
            case "is":
                return self._is(arguments)
            case "in":
                return self._in(operand_of(arguments["left"]), operand_of(arguments["right"]))
            case _ if operator in BINARY:
                return BINARY[operator](operand_of(arguments["left"]), operand_of(arguments["right"]))
        raise NotCompilable(f"'{operator}' cannot be compiled into a filter")

    def _connective(self, operator: str, arguments: Json) -> Scope:
        """Like Cedar, does not look at the right side when the left one settles it: there it may hold anything."""
        left = self.compile(arguments["left"])
        settled = Nothing() if operator == "&&" else Everything()
        if left == settled:
            return left
        return (all_of if operator == "&&" else any_of)(left, self.compile(arguments["right"]))

    def _conditional(self, arguments: Json) -> Scope:
        condition = self.compile(arguments["if"])
        if condition == Everything():
            return self.compile(arguments["then"])
        if condition == Nothing():
            return self.compile(arguments["else"])
        yes, no = self.compile(arguments["then"]), self.compile(arguments["else"])
        return any_of(all_of(condition, yes), all_of(negation(condition), no))

    def _is(self, arguments: Json) -> Scope:
        match operand_of(arguments["left"]):
            case Unknown(field) if field in KINDS and field not in SETS:
                if arguments["entity_type"] != KINDS[field]:
                    return Nothing()
            case _:
                raise NotCompilable("'is' needs an entity")
        return (
            self.compile({"in": {"left": arguments["left"], "right": arguments["in"]}}) if "in" in arguments else Everything()
        )

    def _in(self, left: Operand, right: Operand) -> Scope:
        match left, right:
            case Unknown(), Entity():
                return within(left.field, right)
            case Unknown(), frozenset():
                return any_of(*(within(left.field, each) for each in right))
            case Entity(), Unknown(Field.GROUPS):
                return any_of(*(contains(right, each) for each in self._lineage(left)))
            case Entity(), Unknown():
                return any_of(*(equals(right, each) for each in self._lineage(left)))
        raise NotCompilable("'in' cannot be compiled for these operands")

    def _lineage(self, entity: Entity) -> frozenset[Entity]:
        """The entity with its ancestors, as far as a decision knows them: only the principal's."""
        return self._ancestors | {entity} if entity == self._principal else frozenset({entity})


def _constant(value: object) -> Scope:
    if isinstance(value, bool):
        return Everything() if value else Nothing()
    raise NotCompilable("it is not a condition")
