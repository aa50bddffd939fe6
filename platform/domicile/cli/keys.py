"""``domicile key``."""

from __future__ import annotations

import asyncio

import msgspec
import typer

from domicile.cli.declared import decides
from domicile.cli.output import AsJson, print_json, print_table
from domicile.domain.actions import Action

app = typer.Typer(help="Keys, who holds them, and replacing them.", no_args_is_help=True)


@app.command("providers")
@decides(Action.ENDPOINT_USE)
def providers(as_json: AsJson = False) -> None:
    """Show every key provider, where it is, and whether it could wrap a key now. Fails if one could not."""
    from domicile.bootstrap import key_provider_states

    states = asyncio.run(key_provider_states())
    if as_json:
        print_json([msgspec.to_builtins(each) for each in states])
    else:
        columns = ("name", "kind", "region", "where", "state", "what is wrong")
        print_table(columns, [(each.name, each.kind, each.region, each.address, each.state, each.detail) for each in states])
    if any(each.state != "ok" for each in states):
        raise typer.Exit(1)
