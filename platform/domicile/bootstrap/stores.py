"""The adapters that hold data, built from settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.egress.outbound import Outbound
from domicile.adapters.keys.file_provider import FileKeyProvider
from domicile.bootstrap.residency import cell_region
from domicile.bootstrap.tls import tls_context, tls_towards
from domicile.bootstrap.transport import without_tls_query
from domicile.config import Settings, read_secret
from domicile.domain.errors import ConfigurationError
from domicile.ports.blobs import BlobStore
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
    url = outbound.way_to("database")
    password = read_secret(settings.database_password_file)
    return DatabaseAccess(without_tls_query(url), password, tls_towards(settings, url))


def database(settings: Settings, outbound: Outbound) -> SqlDatabase:
    access = database_access(settings, outbound)
    return SqlDatabase(access.url, password=access.password, tls=access.context)


def key_provider(settings: Settings) -> FileKeyProvider:
    return FileKeyProvider(settings.root_key_path, cell_region(settings))


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


def vector_index(settings: Settings, embedder: Embedder, outbound: Outbound) -> VectorIndex:
    """Blocks while an embedded index is loaded."""
    if not settings.qdrant_url:
        from domicile.adapters.qdrant.edge import EdgeVectorIndex

        return EdgeVectorIndex.open(settings.data_dir / "index", model=embedder.model, dimensions=embedder.dimensions)
    from domicile.adapters.qdrant.server import ServerVectorIndex

    key = read_secret(settings.qdrant_api_key_file) or None
    url = outbound.way_to("vector-index")
    tls = tls_towards(settings, url)
    context = tls_context(tls) if tls else None
    return ServerVectorIndex.connect(
        url, model=embedder.model, dimensions=embedder.dimensions, api_key=key, tls=tls, context=context
    )


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
