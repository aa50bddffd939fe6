"""``domicile policy``: checking policies before they are put in force, without a cell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domicile.cli import explain, replay
from domicile.cli.declared import decides_nothing
from domicile.cli.output import AsJson, print_json

if TYPE_CHECKING:
    from domicile.bootstrap.policies import Result

app = typer.Typer(help="Policies.", no_args_is_help=True)
app.command("explain")(explain.explain)
app.command("replay")(replay.replay)

Folder = Annotated[Path | None, typer.Argument(help="Folder of the policies; without it, those that are shipped.")]
_FILES_ONLY = "It reads policies and cases from files, and no cell."


@app.command("check")
@decides_nothing(_FILES_ONLY)
def check(folder: Folder = None, as_json: AsJson = False) -> None:
    """Check policies as the cell would at its start: syntax, schema, ids, and that those on documents compile into a filter."""
    from domicile.bootstrap.policies import load_bundle

    bundle = load_bundle(folder)
    if as_json:
        print_json({"digest": bundle.digest, "policies": sorted(bundle.ids)})
    else:
        typer.echo(f"{len(bundle.ids)} policies are in order. Digest: {bundle.digest}")


@app.command("test")
@decides_nothing(_FILES_ONLY)
def run(folder: Folder = None, as_json: AsJson = False) -> None:
    """Decide every case beside the policies, and name the policies that no case touches. Exit status 1 if a case fails."""
    from domicile.bootstrap.policies import load_bundle, load_cases, run_cases, untouched

    bundle, cases = load_bundle(folder), load_cases(folder)
    results = run_cases(bundle, cases)
    uncovered = untouched(bundle, results)
    failed = [each for each in results if not each.passed]
    if as_json:
        print_json({"digest": bundle.digest, "cases": len(results), "failed": _decided(failed), "untouched": uncovered})
    else:
        for each in failed:
            typer.echo(_failure(each))
        typer.echo(f"{len(results) - len(failed)} of {len(results)} cases as expected.")
        touched, names = len(bundle.ids) - len(uncovered), ", ".join(uncovered)
        typer.echo(f"{touched} of {len(bundle.ids)} policies determine a case{': untouched ' if names else ''}{names}.")
    if failed:
        raise typer.Exit(1)


def _decided(failed: Sequence[Result]) -> list[dict[str, object]]:
    return [{"case": each.case.name, "permitted": each.decision.allowed, "policies": each.decision.policies} for each in failed]


def _failure(result: Result) -> str:
    expected, decision = result.case, result.decision
    said = f"{'permitted' if decision.allowed else 'denied'} by {', '.join(decision.policies) or 'no policy'}"
    meant = f"{'permitted' if expected.permitted else 'denied'} by {', '.join(expected.policies) or 'no policy'}"
    return f"FAILED  {expected.name}: {said}, expected {meant}."
