"""There is one way out: addresses are read in one place, clients made in a few, and the factory gives each its address."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "platform" / "domicile"
#: Settings that say where a component is. (``blob_url`` names a bucket; its server is ``blob_endpoint``.) A key provider's
#: ``service_url`` stands in a file of its own.
ADDRESSES = {"database_url", "key_store_url", "qdrant_url", "blob_endpoint", "llm_url", "otlp_endpoint", "service_url"}
#: What makes a connection, and the only modules that may call it.
CONNECTING = {
    "AsyncQdrantClient": {"adapters/qdrant/server.py"},
    "QdrantClient": set(),
    "S3Store": {"adapters/blobs/object_store.py"},
    "AsyncClient": {"adapters/llm/openai_compatible.py"},
    "Client": {"cli/connection.py", "config.py", "adapters/keys/vault.py"},
    "create_client": {"adapters/keys/aws_kms.py"},
    "OTLPSpanExporter": {"adapters/telemetry/tracing.py"},
    "OTLPMetricExporter": {"adapters/telemetry/tracing.py"},
    "Session": {
        "adapters/telemetry/tracing.py",
        "access/identity.py",
        "adapters/db/credentials.py",
        "adapters/keys/aws_kms.py",
        "adapters/keys/vault.py",
    },
    "create_async_engine": {"adapters/db/postgres.py", "adapters/db/sqlite.py"},
    "create_engine": {"adapters/jobs/lease.py"},
    "DBOS": {"adapters/jobs/dbos_queue.py"},
    "DBOSClient": {"adapters/jobs/dbos_queue.py"},
    "open_connection": {"web/server.py"},
    "open_unix_connection": {"web/server.py"},
    "create_connection": set(),
    "urlopen": set(),
    "create_subprocess_exec": {"adapters/parsers/confined.py", "adapters/embeddings/bulk.py"},
    "create_subprocess_shell": set(),
    "Popen": set(),
}
#: Our own clients of components, which only the composition root makes.
CLIENTS = {
    "DbosJobQueue",
    "s3_blob_store",
    "OpenAICompatibleModel",
    "otlp_exporters",
    "SqlDatabase",
    "AwsKmsProvider",
    "VaultTransitProvider",
}
MODULES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}


def calls(tree: ast.AST) -> Iterator[str]:
    """The last name of everything that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(name) | ast.Attribute(attr=name):
                    yield name


def asked_whether_set(tree: ast.AST) -> set[int]:
    """The nodes of which only the truth matters: tests, and operands of ``not``, ``and`` and ``or`` within them."""
    found: set[int] = set()

    def note(node: ast.expr) -> None:
        found.add(id(node))
        match node:
            case ast.BoolOp(values=values):
                for each in values:
                    note(each)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                note(operand)

    for node in ast.walk(tree):
        match node:
            case ast.If(test=test) | ast.IfExp(test=test):
                note(test)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                note(operand)
    return found


def test_addresses_are_read_in_one_place() -> None:
    """Everywhere else it is at most asked whether one is set; the address itself comes from the factory."""
    readers = {
        f"{name}:{node.lineno}"
        for name, tree in MODULES.items()
        if name not in {"bootstrap/residency.py", "bootstrap/provider_file.py", "config.py"}
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ADDRESSES and id(node) not in asked_whether_set(tree)
    }
    assert readers == set()


def test_connections_are_made_in_a_few_modules() -> None:
    """A new one has to be thought about: whether the guard sees it, and who gives it its address."""
    made = {(called, name) for name, tree in MODULES.items() for called in calls(tree) if called in CONNECTING}
    assert made <= {(called, name) for called, modules in CONNECTING.items() for name in modules}


def test_only_the_composition_root_makes_clients_of_components() -> None:
    """And it has their addresses from the factory, by the test above. (Migrations open the database that they are given.)"""
    makers = {name for name, tree in MODULES.items() if CLIENTS & set(calls(tree))} - {"adapters/db/migrate.py"}
    assert makers <= {
        "bootstrap/base.py",
        "bootstrap/stores.py",
        "bootstrap/cell.py",
        "bootstrap/models.py",
        "bootstrap/office.py",
        "bootstrap/keys.py",
    }
    made = ("base", "stores", "cell", "models", "keys")
    assert {f"bootstrap/{name}.py" for name in made} <= makers


def test_importing_anything_installs_no_guard() -> None:
    """Only what starts a process calls ``install``: the command, and its children."""
    assert {name for name, tree in MODULES.items() if "install" in set(calls(tree))} == {
        "cli/main.py",
        "adapters/egress/child.py",
    }
