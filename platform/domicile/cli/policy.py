"""``domicile policy``: checking and signing policies before they are put in force, without a cell."""

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
Signed = Annotated[Path, typer.Argument(help="Folder of the policies.")]
NewKey = Annotated[Path, typer.Argument(help="File to be made; one that exists is never overwritten.")]
SigningKey = Annotated[Path, typer.Option("--key", "-k", help="File of the key, as 'domicile policy keygen' made it.")]
Signers = Annotated[
    list[str] | None,
    typer.Option("--key", "-k", help="Public key in base64 that has to have signed them, or another --key."),
]
_FILES_ONLY = "It reads policies and cases from files, and no cell."


@app.command("check")
@decides_nothing(_FILES_ONLY)
def check(folder: Folder = None, key: Signers = None, as_json: AsJson = False) -> None:
    """Check policies as the cell would at its start: syntax, schema, ids, and that those on documents compile into a filter.

    With --key, also that one of the keys signed exactly these policies.
    """
    from domicile.bootstrap.policies import load_bundle
    from domicile.bootstrap.signing import parse_signers

    bundle = load_bundle(folder, parse_signers(key or (), "--key"))
    if as_json:
        print_json({"digest": bundle.digest, "policies": sorted(bundle.ids), "signed_by": bundle.signed_by or None})
    else:
        signed = f" Signed by key {bundle.signed_by}." if bundle.signed_by else ""
        typer.echo(f"All is in order, policies: {len(bundle.ids)}. Digest: {bundle.digest}.{signed}")


@app.command("test")
@decides_nothing(_FILES_ONLY)
def run(folder: Folder = None, as_json: AsJson = False) -> None:
    """Decide every case beside the policies, and name the policies that no case touches. Exit status 1 if a case fails."""
    from domicile.bootstrap.policies import load_cases, load_unverified, run_cases, untouched

    bundle, cases = load_unverified(folder), load_cases(folder)
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


@app.command("keygen")
@decides_nothing("It writes a key to a file, and opens no cell.")
def keygen(file: NewKey, as_json: AsJson = False) -> None:
    """Make a key to sign policies with, for its owner only, and print its public half, which cells are to trust."""
    from domicile.bootstrap.signing import make_key

    public = make_key(file)
    if as_json:
        print_json({"key_id": public.id, "public_key": public.text})
    else:
        typer.echo(f"Public key, for DOMICILE_POLICY_SIGNERS: {public.text}\nIts id: {public.id}")


@app.command("sign")
@decides_nothing("It reads policies and a key from files, and no cell.")
def sign(folder: Signed, key: SigningKey, as_json: AsJson = False) -> None:
    """Check the policies in a folder and sign them, in bundle.sig beside them, for cells that take signed ones only."""
    from domicile.bootstrap.policies import sign_bundle

    statement = sign_bundle(folder, key).statement
    if as_json:
        print_json(statement)
    else:
        typer.echo(f"Signed with key {statement.key_id}. Digest: {statement.digest}.")


def _decided(failed: Sequence[Result]) -> list[dict[str, object]]:
    return [{"case": each.case.name, "permitted": each.decision.allowed, "policies": each.decision.policies} for each in failed]


def _failure(result: Result) -> str:
    expected, decision = result.case, result.decision
    said = f"{'permitted' if decision.allowed else 'denied'} by {', '.join(decision.policies) or 'no policy'}"
    meant = f"{'permitted' if expected.permitted else 'denied'} by {', '.join(expected.policies) or 'no policy'}"
    return f"FAILED  {expected.name}: {said}, expected {meant}."
