"""The command ``domicile``. Commands import what they need when they run, so that ``--help`` is instant."""

from __future__ import annotations

import sys

import typer

from domicile import __version__
from domicile.cli import (
    ask,
    audit,
    database,
    demo,
    doctor,
    documents,
    erase,
    holds,
    key_rotation,
    keys,
    people,
    policy,
    portability,
    receipt,
    reencryption,
    retention,
    serve,
    tenant_policy,
    transfers,
)
from domicile.cli.declared import decides_nothing
from domicile.cli.output import fail
from domicile.domain.errors import DomicileError

app = typer.Typer(
    name="domicile",
    help="Answers questions from your organisation's own documents, and nothing leaves the region they live in.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

app.command("demo")(demo.demo)
app.command("init")(serve.init)
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.command("doctor")(doctor.doctor)
app.command("transfers")(transfers.transfers)
app.command("ingest")(documents.ingest)
app.command("ask")(ask.ask)
app.command("search")(ask.search)
app.add_typer(documents.collections, name="collection")
app.add_typer(people.tenants, name="tenant")
app.add_typer(people.groups, name="group")
app.add_typer(people.users, name="user")
app.add_typer(people.api_keys, name="apikey")
app.add_typer(audit.app, name="audit")
app.add_typer(database.app, name="db")
app.add_typer(policy.app, name="policy")
policy.app.command("show")(tenant_policy.show)
policy.app.command("set")(tenant_policy.set_policies)
policy.app.command("history")(tenant_policy.history)
app.add_typer(receipt.app, name="receipt")
app.add_typer(portability.app, name="export")
app.command("import")(portability.import_bundle)
app.add_typer(keys.app, name="key")
keys.app.command("list")(key_rotation.list_keys)
keys.app.command("rotate")(key_rotation.rotate)
keys.app.command("use")(key_rotation.use)
keys.app.command("renew")(key_rotation.renew)
keys.app.command("minimum")(key_rotation.minimum)
keys.app.command("reencrypt")(reencryption.reencrypt)
app.add_typer(holds.app, name="hold")
app.add_typer(erase.app, name="erase")
app.add_typer(retention.app, name="retention")


@app.command("version")
@decides_nothing("It prints the version.")
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run; exit status 0 done, 1 failed or refused, 2 wrong usage.

    From here on this process reaches what is declared only, and nobody else gets to see its memory.
    """
    from domicile.adapters.egress.guard import install
    from domicile.adapters.egress.memory import close_memory

    close_memory()
    install()
    try:
        app()
    except DomicileError as error:
        sys.exit(fail(str(error), error.advice))
    except KeyboardInterrupt:
        sys.exit(130)
