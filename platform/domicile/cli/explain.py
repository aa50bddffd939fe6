"""``domicile policy explain``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from textwrap import indent
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from domicile.cli.declared import decides
from domicile.cli.output import AsJson, print_json
from domicile.domain.actions import Action

if TYPE_CHECKING:
    from domicile.access.explain import Answer, Question
    from domicile.policy.explanation import PolicyText, Unmet


@decides(Action.POLICY_READ)
def explain(
    tenant: Annotated[str, typer.Option("--tenant", "-t", help="The tenant's short name.")],
    principal: Annotated[str, typer.Option(help="The login or the id of an account of the tenant.")],
    action: Annotated[str, typer.Option(help="An action, such as document:read.")],
    resource: Annotated[
        str,
        typer.Option(
            help="document:ID, collection:NAME, tenant, endpoint:KIND@REGION, conversation:ID or job:ID, as in the audit log."
        ),
    ],
    method: Annotated[str, typer.Option(help="How the account calls: session, api-key or job.")] = "session",
    access_region: Annotated[str, typer.Option(help="Where it calls from.")] = "unknown",
    purpose: Annotated[str, typer.Option(help="What it calls for, as a short name.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say whether an account may do something, and why, with the policies' text. Asking is an entry of the audit log."""
    from domicile.access.explain import Question

    question = Question(principal, action, resource, method, access_region, purpose)
    answer = asyncio.run(_ask(tenant, question))
    if as_json:
        print_json(msgspec.to_builtins(answer))
    else:
        typer.echo("\n".join(_lines(answer)))


async def _ask(tenant: str, question: Question) -> Answer:
    from domicile.bootstrap import open_office

    async with open_office() as office:
        return await office.explanations.explain(await office.operator(tenant), question)


def _lines(answer: Answer) -> Iterator[str]:
    from domicile.policy.explanation import written

    verdict = "PERMITTED" if answer.permitted else "DENIED"
    yield f"{verdict}  {answer.action} on {answer.resource} by principal:{answer.principal_id}"
    yield from (f"  {name:<10}{written(attributes)}" for name, attributes in answer.facts.items())
    yield from _determining(answer)
    for each in answer.candidates:
        yield ""
        yield f"{_place(each.policy)} could permit it, but:" if each.unmet else f"{_place(each.policy)} would permit it."
        yield from (line for unmet in each.unmet for line in _demand(unmet))
        yield _text(each.policy)
    yield f"\nPolicies: {answer.bundle_digest}"


def _determining(answer: Answer) -> Iterator[str]:
    if not answer.declared:
        yield f"\nThe schema knows no {answer.action} on such a resource, so it is denied without asking any policy."
    elif not answer.policies:
        yield "\nNo policy permits it, and nothing is permitted that no policy permits."
    for each in answer.policies:
        failed = " could not be evaluated, which denies" if each.id in answer.failed else f": {each.effect}"
        yield f"\n{_place(each)}{failed}"
        yield _text(each)


def _place(policy: PolicyText) -> str:
    return f"{policy.id} ({policy.file}, line {policy.line})" if policy.file else policy.id


def _text(policy: PolicyText) -> str:
    return indent(policy.text or policy.reason, "  | ")


def _demand(unmet: Unmet) -> Iterable[str]:
    from domicile.policy.explanation import written

    yield f"  not met: {unmet.kind} {unmet.text}{' (it could not be evaluated)' if unmet.failed else ''}"
    if unmet.values:
        yield f"           where {written(unmet.values)}"
