"""Names out of a database from before they were sealed: logins, display names and labels of API keys lay there in clear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select, text

from domicile.access.profiles import Profile, Profiles
from domicile.adapters.db.columns import Id
from domicile.adapters.db.transaction import Transaction
from domicile.domain.principals import SealedProfile

_FORMER = MetaData()
_PRINCIPALS = Table(
    "principals", _FORMER, Column("id", Id), Column("tenant_id", Id), Column("login", String), Column("display", String)
)
_API_KEYS = Table(
    "api_keys", _FORMER, Column("id", Id), Column("tenant_id", Id), Column("principal_id", Id), Column("label", String)
)
# On SQLite the write lock does that.
_NO_MORE = text("LOCK TABLE principals, api_keys IN EXCLUSIVE MODE")


@dataclass(frozen=True, slots=True)
class SealedNames:
    """What takes the place of the names: profiles by the account's id, envelopes of labels by the API key's."""

    profiles: Mapping[UUID, SealedProfile]
    labels: Mapping[UUID, bytes]


async def sealed_names(transaction: Transaction, profiles: Profiles) -> SealedNames:
    """Seals what names lie in clear, in the transaction that then migrates, so that none is added meanwhile.

    Changes nothing: the migration puts the envelopes into the names' place. If that fails, the keys that were made for it are
    named by no row, and swept away.
    """
    if not await transaction.run_sync(_has_names):
        return SealedNames({}, {})
    if transaction.on_postgres:
        await transaction.run(_NO_MORE)
    sealed: dict[UUID, SealedProfile] = {}
    accounts: dict[UUID, dict[UUID, Profile]] = {}
    for row in await transaction.all(select(_PRINCIPALS)):
        accounts.setdefault(row.tenant_id, {})[row.id] = Profile(row.login, row.display)
    for tenant_id, named in accounts.items():
        sealed |= await profiles.seal(tenant_id, named)
    labels: dict[UUID, bytes] = {}
    labelled: dict[UUID, dict[UUID, tuple[UUID, str]]] = {}
    for row in await transaction.all(select(_API_KEYS)):
        labelled.setdefault(row.tenant_id, {})[row.id] = (sealed[row.principal_id].data_key_id, row.label)
    for tenant_id, of_keys in labelled.items():
        labels |= await profiles.seal_labels(tenant_id, of_keys)
    return SealedNames(sealed, labels)


def _has_names(connection: Connection) -> bool:
    seen = inspect(connection)
    return seen.has_table("principals") and "login" in {each["name"] for each in seen.get_columns("principals")}
