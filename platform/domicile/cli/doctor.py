"""``domicile doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import typer

from domicile.cli.declared import decides
from domicile.cli.output import AsJson, print_json, print_table
from domicile.domain.actions import Action

if TYPE_CHECKING:
    from domicile.access.residency import ComponentView, ResidencyView


@decides(Action.ENDPOINT_USE)
def doctor(as_json: AsJson = False) -> None:
    """Show where data goes: every component, its region, what goes there and which policy allows it.

    Reads the configuration and the policies only, so that it can be run before the cell is started. Fails, naming all of them,
    if a component has no region or may not be used.
    """
    from domicile.bootstrap import residency_inventory

    view = residency_inventory()
    if as_json:
        print_json(_told(view))
        return
    typer.echo(f"Its policies have the digest {view.bundle_digest}, {_signed(view)}.")
    typer.echo(f"This cell is in {view.region}. It connects to nothing but this:")
    columns = ("component", "address", "region", "what goes there", "decision", "policies", "way", "other ways are closed by")
    print_table(columns, [_row(each) for each in view.components])


def _told(view: ResidencyView) -> dict[str, object]:
    return {
        "cell_region": view.region,
        "bundle_digest": view.bundle_digest,
        "policies_signed_by": view.signed_by or None,
        "components": [msgspec.to_builtins(each) for each in view.components],
    }


def _signed(view: ResidencyView) -> str:
    return f"signed by key {view.signed_by}" if view.signed_by else "and nobody has to sign them (DOMICILE_POLICY_SIGNERS)"


def _row(view: ComponentView) -> tuple[object, ...]:
    decision = "allowed" if view.allowed else "DENIED"
    data = ", ".join(view.data)
    return (view.kind, view.address, view.region, data, decision, " ".join(view.policies), view.way, view.confined)
