"""``domicile db``."""

from __future__ import annotations

import asyncio

import typer

from domicile.cli.declared import decides_nothing

app = typer.Typer(help="The cell's database.", no_args_is_help=True)


@app.command("upgrade")
@decides_nothing("It changes tables, whatever is in them.")
def upgrade() -> None:
    """Bring the database to this version's schema. Stop the service first."""
    from domicile.bootstrap import upgrade_database

    before, after = asyncio.run(upgrade_database())
    typer.echo(
        f"The database is at {after}." if before == after else f"The database went from {before or 'nothing'} to {after}."
    )


@app.command("status")
@decides_nothing("It reads which tables there are.")
def status() -> None:
    """Say which schema the database has and which this version needs."""
    from domicile.bootstrap import database_revisions

    current, needed = asyncio.run(database_revisions())
    typer.echo(f"database: {current or 'nothing'}\nneeded:   {needed}")
    if current != needed:
        raise typer.Exit(1)
