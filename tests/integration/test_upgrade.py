"""``domicile db upgrade`` on the whole folder of a cell from before names were sealed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from domicile.bootstrap import initialise_cell, open_office, upgrade_database
from domicile.config import Settings, load_settings
from domicile.domain.errors import SchemaOutdated

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
LOGIN, DISPLAY = "mia.muster@example.org", "Mia Henriette Muster"
_ROWS = (
    "INSERT INTO tenants (id, slug, name, region) VALUES ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'acme', 'Acme', 'eu-de')",
    "INSERT INTO principals (id, tenant_id, login, display, role, clearance, disabled) VALUES"
    " ('cccccccccccccccccccccccccccccccc', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', :login, :display, 'member', 1, false)",
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A cell with a database of the last revision before, in which somebody's name is in clear."""
    folder = tmp_path / "cell"
    settings = load_settings({"DOMICILE_DATA_DIR": str(folder), "DOMICILE_REGION": "eu-de"})
    asyncio.run(initialise_cell(settings))
    (folder / "domicile.db").unlink()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    engine = create_engine(f"sqlite:///{folder / 'domicile.db'}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        for statement in _ROWS:
            names = {"login": LOGIN, "display": DISPLAY}
            connection.execute(text(statement), {name: names[name] for name in names if f":{name}" in statement})
    engine.dispose()
    return settings


def test_people_go_on_being_called_as_they_were(settings: Settings) -> None:
    """By the operator's commands, which open the key store for it; the folder does not hold their names any more."""

    async def listed() -> list[tuple[str, str]]:
        async with open_office(settings) as office:
            people = await office.administration.users(await office.operator("acme"))
            return [(each.login, each.display) for each in people]

    with pytest.raises(SchemaOutdated):
        asyncio.run(listed())
    for _ in range(2):
        asyncio.run(upgrade_database(settings))
        assert asyncio.run(listed()) == [(LOGIN, DISPLAY)]
    stored = b"".join(path.read_bytes() for path in settings.data_dir.parent.rglob("*") if path.is_file())
    assert b"acme" in stored
    assert not any(name.encode() in stored for name in (LOGIN, DISPLAY, "Henriette"))
