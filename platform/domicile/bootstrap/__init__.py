"""The composition root: the only room that knows everything. Builds a cell from its settings, or refuses to.

Heavy adapters are imported where they are built, so that a command which needs only the database does not load a model.
"""

from domicile.bootstrap.cell import Cell, open_cell
from domicile.bootstrap.office import (
    Office,
    candidate_point,
    database_revisions,
    initialise_cell,
    key_provider_states,
    open_office,
    residency_inventory,
    upgrade_database,
)
from domicile.bootstrap.tls import served_certificate

__all__ = [
    "Cell",
    "Office",
    "candidate_point",
    "database_revisions",
    "initialise_cell",
    "key_provider_states",
    "open_cell",
    "open_office",
    "residency_inventory",
    "served_certificate",
    "upgrade_database",
]
