"""The adapters that hold data, built from settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.key_store import SqlKeyStore
from domicile.adapters.egress.outbound import Outbound
from domicile.adapters.sealed.index import SealedIndex
from domicile.bootstrap.tls import tls_context, tls_towards
from domicile.bootstrap.transport import without_tls_query
from domicile.config import Settings, read_secret
from domicile.crypto.vector_transform import MOST_NOISE
from domicile.domain.errors import ConfigurationError
from domicile.ports.blobs import BlobStore
from domicile.ports.keys import KeyRing
from domicile.ports.point_store import ClearPoints, PointStore
from domicile.ports.repositories import Database
from domicile.ports.tls import TlsFiles
from domicile.ports.vector_index import VectorIndex

if TYPE_CHECKING:
    from ssl import SSLContext

    from domicile.ports.embedder import Embedder


@dataclass(frozen=True, slots=True)
class DatabaseAccess:
    """The SQLAlchemy URL without password and TLS settings, and beside it both; ``tls`` is None for SQLite and loopback."""

    url: str
    password: str = field(repr=False)
    tls: TlsFiles | None

    @property
    def context(self) -> SSLContext | None:
        """For drivers written in Python."""
        return tls_context(self.tls) if self.tls else None


def database_access(settings: Settings, outbound: Outbound) -> DatabaseAccess:
    """Where the database is and how it is entered."""
    if not settings.database_url:
        return DatabaseAccess(f"sqlite+aiosqlite:///{settings.data_dir / 'domicile.db'}", "", None)
    return _server_access(settings, outbound.way_to("database"), settings.database_password_file)


def database(settings: Settings, outbound: Outbound) -> SqlDatabase:
    return _opened(database_access(settings, outbound))


def key_store_access(settings: Settings, outbound: Outbound) -> DatabaseAccess:
    """Where wrapped keys are. Raises ``ConfigurationError`` where they would lie with the data."""
    if settings.key_store_url:
        return _server_access(settings, outbound.way_to("key-store"), settings.key_store_password_file)
    if settings.database_url:
        raise ConfigurationError(
            "The database is on a server, and no key store is named.",
            hint="Set DOMICILE_KEY_STORE_URL to another database, which is backed up apart from the data.",
        )
    return DatabaseAccess(f"sqlite+aiosqlite:///{settings.key_store_path}", "", None)


def key_store(settings: Settings, outbound: Outbound) -> SqlKeyStore:
    return SqlKeyStore(_opened(key_store_access(settings, outbound)))


def _server_access(settings: Settings, url: str, password_file: Path | None) -> DatabaseAccess:
    return DatabaseAccess(without_tls_query(url), read_secret(password_file), tls_towards(settings, url))


def _opened(access: DatabaseAccess) -> SqlDatabase:
    return SqlDatabase(access.url, password=access.password, tls=access.context)


def blob_store(settings: Settings, outbound: Outbound) -> BlobStore:
    if not settings.blob_url:
        from domicile.adapters.blobs.folder import FolderBlobStore

        return FolderBlobStore(settings.data_dir / "blobs")
    from domicile.adapters.blobs.object_store import S3Location, s3_blob_store

    endpoint = outbound.way_to("blob-store") if settings.blob_endpoint else ""
    tls = tls_towards(settings, endpoint) if endpoint else None
    return s3_blob_store(
        S3Location(
            settings.blob_url,
            endpoint,
            settings.blob_signing_region,
            settings.blob_access_key_id,
            read_secret(settings.blob_secret_key_file),
            Path(tls.authorities).read_bytes() if tls else b"",
        )
    )


def point_store(settings: Settings, embedder: Embedder, outbound: Outbound) -> tuple[PointStore, ClearPoints | None]:
    """The index's points, and those of the layout before, if there may be any. Blocks while an embedded index is loaded."""
    model, dimensions = embedder.model, embedder.dimensions
    if not settings.qdrant_url:
        from domicile.adapters.qdrant.clear_layout import ClearEdgePoints
        from domicile.adapters.qdrant.edge import EdgeVectorIndex

        folder = settings.data_dir / "index"
        clear = ClearEdgePoints.open(folder, model=model, dimensions=dimensions)
        return EdgeVectorIndex.open(folder, model=model, dimensions=dimensions), clear
    from domicile.adapters.qdrant.clear_layout import ClearServerPoints
    from domicile.adapters.qdrant.server import ServerVectorIndex

    key = read_secret(settings.qdrant_api_key_file) or None
    url = outbound.way_to("vector-index")
    tls = tls_towards(settings, url)
    context = tls_context(tls) if tls else None
    store = ServerVectorIndex.connect(url, model=model, dimensions=dimensions, api_key=key, tls=tls, context=context)
    return store, ClearServerPoints(store.client, model=model, dimensions=dimensions)


def sealed_index(settings: Settings, store: PointStore, database: Database, keys: KeyRing, dimensions: int) -> VectorIndex:
    """The only way to the points that anything else has."""

    async def collections(tenant_id: UUID) -> set[UUID]:
        async with database.reading() as unit:
            return {each.id for each in await unit.collections.of_tenant(tenant_id)}

    noise = checked_noise(settings.vector_noise)
    return SealedIndex(store, keys=keys, collections=collections, dimensions=dimensions, noise=noise)


def checked_noise(noise: float) -> float:
    """Raise ``ConfigurationError`` for a strength that there is not."""
    if not 0 <= noise <= MOST_NOISE:
        raise ConfigurationError(
            f"DOMICILE_VECTOR_NOISE is from 0 to {MOST_NOISE:g}.", hint="Leave it unset for none; see docs/threat-model.md."
        )
    return noise


def is_embedded(settings: Settings) -> bool:
    """Whether some store lives in the process, so that only one process may have the cell."""
    return not settings.database_url or not settings.qdrant_url


def check_jobs(settings: Settings) -> None:
    """Raise ``ConfigurationError`` where separate workers are configured over stores that only one process can open."""
    if settings.jobs not in ("embedded", "worker"):
        raise ConfigurationError("DOMICILE_JOBS has to be 'embedded' or 'worker'.")
    if settings.jobs == "worker" and is_embedded(settings):
        raise ConfigurationError(
            "Separate workers need a database server and a Qdrant server.",
            hint="Set DOMICILE_DATABASE_URL and DOMICILE_QDRANT_URL, or DOMICILE_JOBS=embedded.",
        )
