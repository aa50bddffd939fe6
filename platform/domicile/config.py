"""Frozen, typed settings: the only reader of the environment. Secrets have no default and come from files.

Every field is read from ``DOMICILE_`` + its name in capitals. Only ``bootstrap`` and ``cli`` may import this module.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from domicile.domain.errors import ConfigurationError

PREFIX = "DOMICILE_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One cell's configuration. Each field says its unit and range; an address needs its region beside it."""

    #: Folder of the embedded stores: database, index, blobs. Created with mode 0700.
    data_dir: Path
    #: The region this cell is in, such as ``eu-de``. There is no default: residency has to be declared.
    region: str
    #: Name of the cell in traces and metrics.
    cell: str = "cell"
    #: Further regions that components of this cell may lie in, comma-separated. Usually empty.
    component_regions: tuple[str, ...] = ()
    #: Folder of the Cedar policies; empty means those shipped with the package. Read again on SIGHUP.
    policy_dir: Path | None = None
    #: Ed25519 public keys in base64, comma-separated: policies have to be signed with one. Empty means nobody has to sign them.
    policy_signers: tuple[str, ...] = ()

    #: Address to listen on.
    host: str = "127.0.0.1"
    #: TCP port to listen on, 1 to 65535.
    port: int = 8000
    #: Whether ingest jobs run in the service itself (``embedded``) or in ``domicile worker`` processes (``worker``).
    jobs: str = "embedded"
    #: PEM file of the certificate, with its chain, to serve HTTPS with; empty means HTTP.
    tls_cert_file: Path | None = None
    #: PEM file of its key, mode 0600; required with it.
    tls_key_file: Path | None = None
    #: Whether cookies are only sent over TLS. Set behind a TLS proxy; always so where the service has a certificate itself.
    secure_cookies: bool = False
    #: Hosts that requests may name, comma-separated; empty means any.
    allowed_hosts: tuple[str, ...] = ()

    #: Addresses or networks of proxies that may tell where a client is, such as ``10.0.0.0/24``, comma-separated.
    trusted_proxies: tuple[str, ...] = ()
    #: Header in which those proxies tell a client's region, on every request. Nobody else is listened to.
    access_region_header: str = ""
    #: Regions of clients by network, such as ``10.1.0.0/16=eu-de``, comma-separated; the narrowest network counts.
    access_regions: tuple[str, ...] = ()

    #: PEM file of the authorities that may sign the components' certificates; empty means the system's.
    ca_file: Path | None = None
    #: PEM file of the certificate that this cell shows to components that ask for one; empty means none.
    client_cert_file: Path | None = None
    #: PEM file of its key, mode 0600; required with it.
    client_key_file: Path | None = None

    #: SQLAlchemy URL without password, such as ``postgresql+asyncpg://domicile@postgres/domicile``; empty means SQLite.
    database_url: str = ""
    #: Region of that database; required with its URL.
    database_region: str = ""
    #: File that holds the database password.
    database_password_file: Path | None = None

    #: SQLAlchemy URL of the key store, another database than the first; empty means ``keys.db`` beside the root key's file.
    key_store_url: str = ""
    #: Region of that key store; required with its URL.
    key_store_region: str = ""
    #: File that holds its password.
    key_store_password_file: Path | None = None

    #: URL of a Qdrant server; empty means the engine in this process.
    qdrant_url: str = ""
    #: Region of that Qdrant server; required with its URL.
    qdrant_region: str = ""
    #: File that holds its API key.
    qdrant_api_key_file: Path | None = None
    #: Strength of the noise in stored vectors, β from 0 (none) to 8; what it costs and gives is in docs/threat-model.md.
    vector_noise: float = 0.0

    #: ``s3://bucket/prefix`` of a blob store; empty means a folder below ``data_dir``.
    blob_url: str = ""
    #: Region of that blob store; required with its URL.
    blob_region: str = ""
    #: Address of the server behind an ``s3://`` URL, such as ``https://minio.example:9000``.
    blob_endpoint: str = ""
    #: That server's own name of its region, which requests are signed for.
    blob_signing_region: str = ""
    #: Access key's id for that server; not a secret.
    blob_access_key_id: str = ""
    #: File that holds the secret access key.
    blob_secret_key_file: Path | None = None

    #: File of the region's root key, mode 0600; empty means ``root.key`` below ``data_dir``'s sibling ``<data_dir>.keys``.
    root_key_file: Path | None = None

    #: YAML file that lists key providers, as told in keys.md; empty means that key file alone.
    key_providers_file: Path | None = None

    #: Folder of the embedding weights; empty means the packaged MiniLM.
    embedding_path: Path | None = None
    #: SHA-256, in hex, over every file in that folder that is loaded, as told below. Needed with ``embedding_path``.
    embedding_sha256: str = ""
    #: ``auto``, ``float32`` or ``bfloat16``; auto takes bfloat16 where the processor computes it natively.
    embedding_dtype: str = "auto"
    #: Languages whose stemmers are applied to questions, ISO 639-1, comma-separated.
    languages: tuple[str, ...] = ("en", "de", "fr")

    #: OpenAI-compatible base URL of the language model, such as ``https://sglang:30000/v1``; empty means extractive answers.
    llm_url: str = ""
    #: Region of that model; required with its URL.
    llm_region: str = ""
    #: Name under which the model is served; required with its URL.
    llm_model: str = ""
    #: File that holds its API key.
    llm_api_key_file: Path | None = None
    #: Seconds until the connection must stand.
    llm_connect_seconds: float = 5.0
    #: Seconds until the first token must be there.
    llm_first_token_seconds: float = 60.0
    #: Seconds that may pass between two tokens.
    llm_stall_seconds: float = 20.0
    #: Tokens an answer may have.
    llm_max_tokens: int = 800

    #: OTLP/HTTP endpoint for traces and metrics; empty means none are sent.
    otlp_endpoint: str = ""
    #: Region of that collector; required with its endpoint.
    otlp_region: str = ""
    #: Lowest level that is logged: debug, info, warning or error.
    log_level: str = "info"

    #: Bytes one document may have.
    max_document_bytes: int = 64 * 1024 * 1024
    #: Bytes a bundle that is imported may have.
    max_bundle_bytes: int = 16 * 1024 * 1024 * 1024
    #: Files one request may carry.
    max_documents_per_request: int = 256
    #: Characters a question may have.
    max_question_chars: int = 4000
    #: Address space of the process that parses, in bytes.
    parser_memory_bytes: int = 2 * 1024 * 1024 * 1024
    #: Processor seconds that one parse may take.
    parser_cpu_seconds: int = 60
    #: Wall-clock seconds that one parse may take.
    parser_wall_seconds: int = 120

    #: Days that the audit log is kept at least, 1 or more: no tenant's retention rule goes below.
    audit_retention_floor_days: int = 183

    #: Whether somebody else than who asked for an erasure has to approve it.
    erasure_approval: bool = False

    #: Minutes that a browser session lasts.
    session_minutes: int = 12 * 60

    @property
    def root_key_path(self) -> Path:
        """Beside the data folder, not in it, so that a copy of the data does not carry its key."""
        return self.root_key_file or self.data_dir.with_name(self.data_dir.name + ".keys") / "root.key"

    @property
    def key_store_path(self) -> Path:
        """Where wrapped keys are kept where there is no server for them: not in the data folder either."""
        return self.root_key_path.with_name("keys.db")

    @property
    def url(self) -> str:
        """Where the service answers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert_file else 'http'}://{host}:{self.port}"


def load_settings(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Settings from the environment, with overrides from the command line (None overrides nothing).

    Raises ``ConfigurationError`` for a missing or malformed value, and for an unknown ``DOMICILE_`` name, which is most
    often a misspelt one.
    """
    source = os.environ if environ is None else environ
    hints = get_type_hints(Settings)
    names = {PREFIX + each.name.upper(): each.name for each in fields(Settings)}
    unknown = sorted(variable for variable in source if variable.startswith(PREFIX) and not _known(variable, names))
    if unknown:
        raise ConfigurationError(
            f"Unknown setting {', '.join(unknown)}.", hint="Check the spelling; see docs/configuration.md."
        )
    values: dict[str, Any] = {}
    for variable, name in names.items():
        if overrides.get(name) is not None:
            values[name] = overrides[name]
        elif source.get(variable):
            values[name] = _convert(variable, source[variable], hints[name])
            if name.endswith("_file"):
                _require_path(variable, values[name])
    for required in ("data_dir", "region"):
        if required not in values:
            variable = PREFIX + required.upper()
            raise ConfigurationError(f"{variable} is not set.", hint=f"Set {variable}; see docs/configuration.md.")
    if values.get("tls_cert_file"):
        values["secure_cookies"] = True
    return Settings(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How a command reaches a running service: not part of a cell's configuration."""

    #: URL of the service; empty means the one on this machine, or the cell itself.
    url: str = ""
    api_key: str = field(default="", repr=False)
    api_key_file: Path | None = None
    #: The same variable as a cell's: who may sign the service's certificate.
    ca_file: Path | None = None


def load_client(*, url: str | None = None) -> Client:
    """``DOMICILE_URL``, ``DOMICILE_API_KEY``, ``DOMICILE_API_KEY_FILE`` and ``DOMICILE_CA_FILE``; the argument goes first."""
    key_file, authorities = os.environ.get("DOMICILE_API_KEY_FILE"), os.environ.get("DOMICILE_CA_FILE")
    return Client(
        url=url or os.environ.get("DOMICILE_URL", ""),
        api_key=os.environ.get("DOMICILE_API_KEY", ""),
        api_key_file=Path(key_file) if key_file else None,
        ca_file=Path(authorities) if authorities else None,
    )


def read_secret(path: Path | None) -> str:
    """The secret in a file, without the line end; empty for None. Raises ``ConfigurationError`` if it cannot be read."""
    if path is None:
        return ""
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        # What is no whole path may be the secret itself, which somebody gave in the wrong place.
        which = f"The secret file {path}" if path.is_absolute() else "A secret file, whose path is not absolute,"
        raise ConfigurationError(f"{which} cannot be read.", hint="Check its path and its owner.") from None


def resource_dir(name: str) -> Path:
    """Where ``migrations``, ``policies`` or ``samples`` are: beside the source tree, or inside the installed package."""
    package = Path(__file__).resolve().parent
    beside = package.parents[1] / name
    return beside if (package.parents[1] / "pyproject.toml").is_file() else package / "_data" / name


#: Read by ``load_client`` and by the tests; not settings of a cell, but no misspelling either.
_OTHER_NAMES = frozenset({"DOMICILE_API_KEY", "DOMICILE_API_KEY_FILE", "DOMICILE_URL", "DOMICILE_SGLANG_ENV"})
_TEST_PREFIX = "DOMICILE_TEST_"


def _known(variable: str, names: Mapping[str, str]) -> bool:
    return variable in names or variable in _OTHER_NAMES or variable.startswith(_TEST_PREFIX)


def _require_path(variable: str, path: Path) -> None:
    """Refuse what is no absolute path, without repeating it: most often somebody has given the secret instead of its file."""
    if not path.is_absolute():
        raise ConfigurationError(
            f"{variable} is not an absolute path.", hint="Put the secret into a file and give the file's path, from / on."
        )


def _list(variable: str, text: str) -> tuple[str, ...]:
    """A list that was given but names nothing is a mistake: for hosts and signers it would silently mean anybody."""
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    if not parts:
        raise ConfigurationError(f"{variable} names nothing.", hint="Name something, or leave it unset.")
    return parts


def _convert(variable: str, text: str, kind: Any) -> object:
    try:
        if kind is int:
            return int(text)
        if kind is float:
            return float(text)
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        if kind == tuple[str, ...]:
            return _list(variable, text)
        if kind in (Path, Path | None):
            return Path(text)
    except (KeyError, ValueError):
        raise ConfigurationError(f"{variable} is not a valid value for {kind.__name__}.") from None
    return text
