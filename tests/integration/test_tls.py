"""TLS is really spoken to every kind of component, and whom nobody vouches for is refused in a sentence."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from tests.fakes.certificates import Authority, Pair
from tests.fakes.model_server import DONE, FINISH, ScriptedServer, delta, sends
from tests.fakes.postgres_cluster import PASSWORD, TlsCluster, tls_cluster

from domicile.adapters.blobs.object_store import S3Location, s3_blob_store
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.jobs.dbos_queue import DbosJobQueue
from domicile.adapters.llm.openai_compatible import OpenAICompatibleModel
from domicile.adapters.qdrant.server import ServerVectorIndex
from domicile.adapters.telemetry.tracing import OpenTelemetry, otlp_exporters
from domicile.bootstrap.office import database_revisions, initialise_cell
from domicile.bootstrap.tls import tls_context
from domicile.config import Settings
from domicile.domain.errors import (
    BlobStoreUnavailable,
    DatabaseUnavailable,
    DomicileError,
    ModelUnavailable,
    VectorIndexUnavailable,
)
from domicile.domain.values import Region
from domicile.ports.generator import ChatMessage, Speaker
from domicile.ports.tls import TlsFiles

pytestmark = pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
HERE = ("localhost", "127.0.0.1")


@dataclasses.dataclass(frozen=True)
class Trust:
    """What the story's people have: the authority that signed the server's certificate, another one, and certificates."""

    right: Authority
    wrong: Authority
    server: Pair
    elsewhere: Pair
    client: Pair

    @property
    def files(self) -> TlsFiles:
        return TlsFiles(str(self.right.file), str(self.client.certificate), str(self.client.key))

    @property
    def without_own(self) -> TlsFiles:
        return TlsFiles(str(self.right.file))

    @property
    def of_others(self) -> TlsFiles:
        return dataclasses.replace(self.files, authorities=str(self.wrong.file))


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    folder = tmp_path_factory.mktemp("certificates")
    right = Authority(folder / "right")
    return Trust(
        right,
        Authority(folder / "wrong", "somebody-else"),
        right.issue("server", *HERE),
        right.issue("elsewhere", "other.example"),
        right.issue("client", *HERE),
    )


def assert_untrusted(error: DomicileError) -> None:
    assert "TLS that can be trusted" in str(error)
    assert "DOMICILE_CA_FILE" in error.advice


# --- PostgreSQL -------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def cluster(trust: Trust) -> Iterator[TlsCluster]:
    with tls_cluster(trust.server, trust.right.file) as started:
        yield started


async def spoken(cluster: TlsCluster, files: TlsFiles, host: str = "127.0.0.1") -> str:
    """The version of TLS that this connection is on, as the server sees it; the empty text for none."""
    from sqlalchemy import text

    database = SqlDatabase(cluster.url(host), password=PASSWORD, tls=tls_context(files))
    try:
        async with database.reading_transaction() as open_:
            row = await open_.first(text("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
            return str(row[0] or "") if row else ""
    finally:
        await database.close()
        gc.collect()  # the driver leaves a connection open whose handshake failed


@pytest.mark.postgres
async def test_the_database_is_spoken_to_by_tls(cluster: TlsCluster, trust: Trust) -> None:
    """With the right authority and a certificate of our own, which this server asks for; without one it lets nobody in."""
    assert await spoken(cluster, trust.files) in {"TLSv1.2", "TLSv1.3"}
    with pytest.raises(DomicileError):
        await spoken(cluster, trust.without_own)


@pytest.mark.postgres
async def test_a_database_that_another_authority_vouches_for_is_refused(cluster: TlsCluster, trust: Trust) -> None:
    """Before the password goes there."""
    with pytest.raises(DatabaseUnavailable) as raised:
        await spoken(cluster, trust.of_others)
    assert_untrusted(raised.value)


@pytest.mark.postgres
async def test_a_database_of_another_name_is_refused(cluster: TlsCluster, trust: Trust) -> None:
    """The authority vouches for it, but not as the host that was asked for."""
    with pytest.raises(DatabaseUnavailable) as raised:
        await spoken(cluster, trust.files, host="127.0.0.2")
    assert_untrusted(raised.value)


async def test_a_database_without_tls_is_refused(trust: Trust) -> None:
    """One that answers PostgreSQL's request for TLS with No is not asked again in clear."""
    received: list[bytes] = []
    left = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readexactly(8))
        writer.write(b"N")
        received.append(await reader.read())
        writer.close()
        left.set()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        with pytest.raises(DatabaseUnavailable) as raised:
            await spoken(TlsCluster(server.sockets[0].getsockname()[1]), trust.files)
        await left.wait()
    assert_untrusted(raised.value)
    assert received[1] == b""


@pytest.mark.postgres
async def test_the_job_queue_s_own_driver_verifies_as_well(
    cluster: TlsCluster, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq, which would take what PGSSLMODE says for an answer if the address said nothing."""
    monkeypatch.setenv("PGSSLMODE", "disable")
    for files, host, believed in (
        (trust.files, "127.0.0.1", True),
        (trust.of_others, "127.0.0.1", False),
        (trust.files, "127.0.0.2", False),
    ):
        queue = DbosJobQueue(cluster.url(host), password=PASSWORD, tls=files)
        try:
            if believed:
                await queue.start()
            else:
                with pytest.raises(DatabaseUnavailable):
                    await queue.start()
        finally:
            await queue.stop()


@pytest.mark.postgres
async def test_a_cell_makes_its_databases_by_tls_as_its_settings_say(cluster: TlsCluster, trust: Trust, tmp_path: Path) -> None:
    """On this machine where the address asks for it; outside it always, by the same way through the code."""
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    settings = Settings(
        data_dir=tmp_path / "cell",
        region="eu-de",
        database_url=f"{cluster.url()}?ssl=verify-full",
        database_region="eu-de",
        database_password_file=password,
        key_store_url=f"{cluster.url(database='keys')}?ssl=verify-full",
        key_store_region="eu-de",
        key_store_password_file=password,
        ca_file=trust.right.file,
        client_cert_file=trust.client.certificate,
        client_key_file=trust.client.key,
    )
    await initialise_cell(settings)
    current, needed = await database_revisions(settings)
    assert current == needed
    with pytest.raises(DatabaseUnavailable) as raised:
        await database_revisions(dataclasses.replace(settings, ca_file=trust.wrong.file))
    assert_untrusted(raised.value)


# --- Servers of HTTP --------------------------------------------------------------------------------------------------------
@contextmanager
def http_server(pair: Pair | None, clients: Path | None = None) -> Iterator[tuple[int, list[str]]]:
    """Answers everything with 200; by TLS with that certificate, or in clear. Gives its port, and what was asked."""
    asked: list[str] = []

    class Anything(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(f"{self.command} {self.path}")
            body = b'{"title": "any", "version": "1.20.0"}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = answer  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None: ...

    server = Quiet(("127.0.0.1", 0), Anything)
    if pair:
        context = pair.server_context(clients)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.server_address[1]), asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


#: By story: the server's certificate (None: it speaks in clear), and whether the client knows its authority.
STORIES: dict[str, tuple[Callable[[Trust], Pair | None], bool]] = {
    "right": (lambda trust: trust.server, True),
    "wrong authority": (lambda trust: trust.server, False),
    "wrong name": (lambda trust: trust.elsewhere, True),
    "in clear": (lambda trust: None, True),
}
stories = pytest.mark.parametrize("story", STORIES)


def told(trust: Trust, story: str) -> tuple[Pair | None, TlsFiles]:
    certificate, known = STORIES[story]
    return certificate(trust), trust.files if known else trust.of_others


@stories
async def test_an_object_store_is_believed_by_its_certificate_only(trust: Trust, story: str) -> None:
    """The library adds the operator's authorities to those that it knows."""
    pair, _ = told(trust, story)
    authorities = (trust.right if story != "wrong authority" else trust.wrong).file.read_bytes()
    with http_server(pair) as (port, asked):
        store = s3_blob_store(S3Location("s3://bucket", f"https://127.0.0.1:{port}", "eu", "id", "secret", authorities))
        if story == "right":
            await store.put("documents/one", b"envelope")
            assert asked == ["PUT /bucket/documents/one"]
            return
        with pytest.raises(BlobStoreUnavailable) as raised:
            await store.put("documents/one", b"envelope")
        assert_untrusted(raised.value)
        assert asked == []


@stories
def test_a_collector_is_believed_by_its_certificate_only(trust: Trust, story: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent to another one; that telemetry is lost is no reason not to serve."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")  # seconds that the library tries it
    pair, files = told(trust, story)
    with http_server(pair, trust.right.file) as (port, asked):
        telemetry = OpenTelemetry("cell", "eu-de", *otlp_exporters(f"https://127.0.0.1:{port}", files))
        with telemetry.span("domicile.parse"):
            pass
        telemetry.close()
        assert ("POST /v1/traces" in asked) is (story == "right")


def model_at(port: int, files: TlsFiles) -> OpenAICompatibleModel:
    url = f"https://127.0.0.1:{port}/v1"
    return OpenAICompatibleModel(
        base_url=url, model="m", region=Region("eu-de"), tls=tls_context(files), retries=0, api_key="secret"
    )


async def test_a_model_answers_by_tls(trust: Trust) -> None:
    """This one asks for our certificate, too."""
    script = ScriptedServer(acts=[sends(delta("Hello"), FINISH, DONE)])
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0, ssl=trust.server.server_context(trust.right.file))
    async with server:
        model = model_at(server.sockets[0].getsockname()[1], trust.files)
        events = [event async for event in model.stream([ChatMessage(Speaker.USER, "question")])]
        await model.close()
    assert len(events) == 2


@pytest.mark.parametrize("story", [each for each in STORIES if each != "right"])
async def test_a_model_is_believed_by_its_certificate_only(trust: Trust, story: str) -> None:
    """Not a word of the question goes to another one."""
    pair, files = told(trust, story)
    with http_server(pair) as (port, asked):
        model = model_at(port, files)
        with pytest.raises(ModelUnavailable) as raised:
            _ = [event async for event in model.stream([ChatMessage(Speaker.USER, "question")])]
        with pytest.raises(ModelUnavailable) as pinged:
            await model.ping()
        await model.close()
    assert_untrusted(raised.value)
    assert_untrusted(pinged.value)
    assert asked == []


# --- Qdrant, of which there is no server here: what answers is an endpoint that knows nothing of it -------------------------
@contextmanager
def grpc_server(pair: Pair | None, authorities: Path) -> Iterator[tuple[int, list[str]]]:
    """Takes every call of clients with a certificate, and answers that it does not know it; in clear without one of its own."""
    called: list[str] = []

    class Anything(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            called.append(details.method)
            return None

    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Anything()])
    if pair:
        keys = [(pair.key.read_bytes(), pair.certificate.read_bytes())]
        credentials = grpc.ssl_server_credentials(keys, authorities.read_bytes(), require_client_auth=True)
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port, called
    finally:
        server.stop(None).wait()


@stories
async def test_qdrant_is_believed_by_its_certificate_only(trust: Trust, story: str) -> None:
    """Everything that the index asks goes over gRPC, whose library verifies in native code."""
    pair, files = told(trust, story)
    with grpc_server(pair, trust.right.file) as (port, called):
        index = ServerVectorIndex.connect(
            "https://127.0.0.1:1", model="m", dimensions=4, grpc_port=port, tls=files, context=tls_context(files)
        )
        with pytest.raises(VectorIndexUnavailable) as raised:  # at the latest because it is no Qdrant
            await index.ping()
        await index.close()
    assert bool(called) is (story == "right")
    if story != "right":
        assert_untrusted(raised.value)


@stories
async def test_qdrant_s_other_interface_would_be_believed_by_its_certificate_only(trust: Trust, story: str) -> None:
    """REST, which the client opens as well."""
    pair, files = told(trust, story)
    with http_server(pair, trust.right.file) as (port, asked):
        url, context = f"https://127.0.0.1:{port}", tls_context(files)
        index = ServerVectorIndex.connect(url, model="m", dimensions=4, grpc_port=1, tls=files, context=context)
        rest = index._client.http.service_api
        if story == "right":
            assert (await rest.root()).version == "1.20.0"
        else:
            with pytest.raises(Exception, match=r"CERTIFICATE_VERIFY_FAILED|WRONG_VERSION_NUMBER"):
                await rest.root()
        await index.close()
    assert bool(asked) is (story == "right")


# --- The service ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def service(trust: Trust, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The URL of a service of its own that speaks HTTPS, and an environment of its commands."""
    port = _free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HF_HUB_OFFLINE": "1",
        "DOMICILE_DATA_DIR": str(tmp_path / "cell"),
        "DOMICILE_REGION": "eu-de",
        "DOMICILE_HOST": "0.0.0.0",  # noqa: S104 - which takes TLS
        "DOMICILE_PORT": str(port),
        "DOMICILE_TLS_CERT_FILE": str(trust.server.certificate),
        "DOMICILE_TLS_KEY_FILE": str(trust.server.key),
    }
    assert run(environment, "init").returncode == 0
    in_clear = run({name: value for name, value in environment.items() if "TLS" not in name}, "serve")
    assert (in_clear.returncode, "without TLS" in in_clear.stderr) == (1, True)
    process = subprocess.Popen(
        [sys.executable, "-m", "domicile.cli", "serve"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().decode() == f"Serving https://0.0.0.0:{port}\n"
        yield f"https://localhost:{port}", environment
        process.terminate()


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "domicile.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_the_service_is_reached_by_https_and_by_nothing_else(
    service: tuple[str, dict[str, str]], trust: Trust, tmp_path: Path
) -> None:
    """A browser's cookies say that they are for TLS only; commands verify whom they show their key to."""
    url, environment = service
    with httpx2.Client(base_url=url, verify=tls_context(trust.without_own)) as http:
        page = http.get("/login")
        assert (page.status_code, "max-age" in page.headers["strict-transport-security"]) == (200, True)
        chosen = http.post("/theme", data={"theme": "dark"}, headers={"Origin": url})
        assert "Secure" in chosen.headers["set-cookie"]
    other_name = url.replace("localhost", "127.0.0.2")
    for context, address in ((tls_context(trust.of_others), url), (tls_context(trust.files), other_name)):
        with httpx2.Client(base_url=address, verify=context) as http, pytest.raises(httpx2.ConnectError):
            http.get("/health/live")
    with httpx2.Client(base_url=url.replace("https", "http")) as http, pytest.raises(httpx2.HTTPError):
        http.get("/health/live")

    asked = {**environment, "DOMICILE_URL": url, "DOMICILE_API_KEY": "no-key"}
    believed = run({**asked, "DOMICILE_CA_FILE": str(trust.right.file)}, "search", "travel")
    assert (believed.returncode, "valid credential" in believed.stderr) == (1, True)
    strange = run({**asked, "DOMICILE_CA_FILE": str(trust.wrong.file)}, "search", "travel")
    assert (strange.returncode, "TLS that can be trusted" in strange.stderr) == (1, True)
    elsewhere = run({**asked, "DOMICILE_URL": "http://service.example:8000"}, "search", "travel")
    assert (elsewhere.returncode, "not https" in elsewhere.stderr) == (1, True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
