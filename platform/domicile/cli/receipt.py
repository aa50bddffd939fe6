"""``domicile receipt``: verifying residency receipts, without a cell and without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from domicile.cli.declared import decides_nothing
from domicile.cli.given import content_of, public_key
from domicile.cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from domicile.answers.receipts import Statement

app = typer.Typer(help="Residency receipts.", no_args_is_help=True)

File = Annotated[str, typer.Argument(help="The receipt, or the answer that has it, as JSON; - for standard input.")]
Key = Annotated[str, typer.Option("--key", "-k", help="What /v1/receipts/key gave, in a file; or the public key in base64.")]


@app.callback()
def _group() -> None:
    """Residency receipts."""


@app.command("verify")
@decides_nothing("It reads a file and the key that it is given, and no cell.")
def verify(file: File, key: Key, as_json: AsJson = False) -> None:
    """Check that a cell signed exactly this statement, and print what it says. Exit status 1 if it did not."""
    from domicile.answers.receipts import verify as verified

    statement = verified(content_of(file), public_key(key))
    if as_json:
        print_json(statement)
        return
    typer.echo(f"Valid: signed by cell '{statement.cell}' in {statement.cell_region} at {statement.time}.")
    print_table(["what", "said"], _rows(statement))


@app.command("key")
@decides_nothing("It prints a public key, which /v1/receipts/key gives to everybody.")
def key() -> None:
    """Print the public key of this machine's cell, which its receipts and bundles are verified with, as JSON."""
    from domicile.bootstrap.receipts import published_key

    print_json(published_key())


def _rows(statement: Statement) -> list[tuple[str, object]]:
    model = f"{statement.model.name} in {statement.model.region}" if statement.model else "none: nothing was found"
    return [
        ("answer", statement.answer_id),
        ("audit entry", statement.audit_id),
        ("asked from", statement.access_region),
        ("embedding", f"{statement.embedding.name} in {statement.embedding.region}"),
        ("answered by", model),
        ("policies", ", ".join(statement.policies)),
        ("policy bundle", statement.bundle_digest),
        *(("transfer", f"{each.id}: {each.basis} ({each.reference})") for each in statement.transfers),
        *(("document", f"{each.id} in {each.region}") for each in statement.documents),
    ]
