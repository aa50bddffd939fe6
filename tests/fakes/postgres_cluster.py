"""A PostgreSQL server of the test's own, which takes nobody without TLS and a client's certificate."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.fakes.certificates import Pair

_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
PASSWORD = secrets.token_hex(16)


@dataclass(frozen=True)
class TlsCluster:
    """Where it listens. The user and the database are called ``domicile``, another database ``keys``; it has ``PASSWORD``."""

    port: int

    def url(self, host: str = "127.0.0.1", database: str = "domicile") -> str:
        return f"postgresql+asyncpg://domicile@{host}:{self.port}/{database}"


@contextmanager
def tls_cluster(server: Pair, authorities: Path) -> Iterator[TlsCluster]:
    """Runs until the block ends; skips the test where there is no PostgreSQL, or none may be started."""
    if not _PLACES or os.geteuid() != 0:
        pytest.skip("A PostgreSQL cluster of its own needs PostgreSQL's server programs, and root to start them as 'postgres'.")
    binaries, folder = _PLACES[0], Path(tempfile.mkdtemp(prefix="domicile-pg-"))
    data, port = folder / "data", _free_port()
    for source, name in ((server.certificate, "server.pem"), (server.key, "server.key"), (authorities, "ca.pem")):
        shutil.copy(source, folder / name)
    (folder / "password").write_text(PASSWORD)
    _own(folder)
    try:
        initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "domicile", "--auth=scram-sha-256"]
        _as_postgres(*initdb, f"--pwfile={folder / 'password'}", "--no-sync")
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS.format(folder=folder, port=port))
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.0/8 scram-sha-256 clientcert=verify-ca\n")
        _as_postgres(str(binaries / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w", "start")
        try:
            yield _with_database(TlsCluster(port), server, authorities, binaries)
        finally:
            _as_postgres(str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


_SETTINGS = """
listen_addresses = '127.0.0.1,127.0.0.2'
port = {port}
unix_socket_directories = '{folder}'
fsync = off
ssl = on
ssl_cert_file = '{folder}/server.pem'
ssl_key_file = '{folder}/server.key'
ssl_ca_file = '{folder}/ca.pem'
"""


def _with_database(cluster: TlsCluster, client: Pair, authorities: Path, binaries: Path) -> TlsCluster:
    address = f"host=127.0.0.1 port={cluster.port} user=domicile dbname=postgres sslmode=verify-full"
    files = f"sslrootcert={authorities} sslcert={client.certificate} sslkey={client.key}"
    databases = ("-c", "CREATE DATABASE domicile", "-c", "CREATE DATABASE keys")
    command = [str(binaries / "psql"), "-qX", f"{address} {files}", *databases]
    for _ in range(50):
        if subprocess.run(command, env={"PGPASSWORD": PASSWORD}, capture_output=True, check=False).returncode == 0:
            return cluster
        time.sleep(0.1)
    raise AssertionError("The cluster does not answer.")


def _own(folder: Path) -> None:
    for each in (folder, *folder.iterdir()):
        shutil.chown(each, "postgres", "postgres")


def _as_postgres(*command: str) -> None:
    # Into a file: the server inherits what pg_ctl is given, and a pipe would stay open for as long as it runs.
    with tempfile.TemporaryFile() as output:
        ran = subprocess.run(["runuser", "-u", "postgres", "--", *command], cwd="/", stdout=output, stderr=output, check=False)
        output.seek(0)
        assert ran.returncode == 0, output.read()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
