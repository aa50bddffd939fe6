"""Canaries in every secret of a real service, and a search for them wherever a secret must not be."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from domicile.access.identity import Origin
from domicile.access.places import Places
from domicile.adapters.telemetry.logs import configure_logs
from domicile.bootstrap import initialise_cell, open_cell, open_office, residency_inventory
from domicile.bootstrap.tls import served_certificate
from domicile.config import Settings, load_settings, read_secret
from domicile.crypto.keys import DataKey
from domicile.domain.errors import ConfigurationError, DomicileError
from domicile.domain.values import Classification, Role
from domicile.retrieval.candidates import SearchQuery
from domicile.web.server import check_address

PASSWORD = "Kanarienvogel-password-7f3a"
WRONG_PASSWORD = "Kanarienvogel-mistyped-51c0"
DATABASE_PASSWORD = "Kanarienvogel-database-9b2e"
MODEL_KEY = "Kanarienvogel-model-4d8c"
WORD = "Zeisigfederblau"
QUESTION = "Wieviel kostet Zwergpapageienfutter?"
DOCUMENT = f"# Budget\n\nThe budget of the project {WORD} is 84,000 euros, and seed costs three euros.\n"
PATIENCE = 120
LOOPBACK = "127.0.0.1"
FOLDERS = {"data_dir", "policy_dir", "embedding_path"}


class Peer(ThreadingHTTPServer):
    """Both the model, which fails and repeats all that it was sent, and the collector, which keeps what it receives."""

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), Answers)
        self.received = bytearray()
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_address[1]}"


class Answers(BaseHTTPRequestHandler):
    server: Peer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/v1/chat"):
            self.server.asked += 1
            self.answer(500, str(self.headers).encode() + body)
        else:
            self.server.received += body
            self.answer(200, b"")

    def do_GET(self) -> None:
        self.answer(200, b'{"data": [{"id": "m"}]}')

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@dataclasses.dataclass
class Story:
    """What happened, by where a secret could have ended up; and every secret by what it is."""

    secrets: dict[str, bytes]
    seen: dict[str, bytes] = dataclasses.field(default_factory=dict)
    folder: Path = Path()
    processes: int = 0
    model_asked: int = 0

    def note(self, where: str, what: bytes | str) -> None:
        self.seen[where] = self.seen.get(where, b"") + (what.encode() if isinstance(what, str) else what)


def spellings(secret: bytes) -> set[bytes]:
    """As a log, a URL, JSON, a dump or an encoder would write it."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode(), base64.b64encode(secret)}
    found |= {base64.urlsafe_b64encode(secret), base64.b64encode(secret).rstrip(b"="), repr(secret)[2:-1].encode()}
    if secret.isascii():
        found |= {urllib.parse.quote(secret.decode(), safe="").encode(), json.dumps(secret.decode())[1:-1].encode()}
    return found


# --- The story --------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("secrets")
    peer = Peer()
    serving = threading.Thread(target=peer.serve_forever)
    serving.start()
    try:
        yield _told(folder, peer)
    finally:
        peer.shutdown()
        serving.join()
        peer.server_close()


def _told(folder: Path, peer: Peer) -> Story:
    (folder / "model_key").write_text(MODEL_KEY)
    (folder / "database_password").write_text(DATABASE_PASSWORD)
    port = _free_port()
    environment = {
        "DOMICILE_DATA_DIR": str(folder / "cell"),
        "DOMICILE_REGION": "eu-de",
        "DOMICILE_PORT": str(port),
        "DOMICILE_LOG_LEVEL": "debug",
        "DOMICILE_LLM_URL": f"{peer.url}/v1",
        "DOMICILE_LLM_REGION": "eu-de",
        "DOMICILE_LLM_MODEL": "m",
        "DOMICILE_LLM_API_KEY_FILE": str(folder / "model_key"),
        "DOMICILE_OTLP_ENDPOINT": peer.url,
        "DOMICILE_OTLP_REGION": "eu-de",
    }
    settings = load_settings(environment)
    key = asyncio.run(_made(settings))
    story = Story(
        {
            "password": PASSWORD.encode(),
            "mistyped password": WRONG_PASSWORD.encode(),
            "database password": DATABASE_PASSWORD.encode(),
            "model's API key": MODEL_KEY.encode(),
            "word of a document": WORD.encode(),
            "question": QUESTION.encode(),
            "API key": key.encode(),
        },
        folder=folder,
    )
    for file in settings.root_key_path.parent.glob("*.key"):
        secret = file.read_text("ascii").splitlines()[-1]
        story.secrets |= {f"{file.name} as text": secret.encode(), file.name: base64.b64decode(secret)}
    _served(story, environment, key)
    _failing_commands(story, environment)
    story.secrets |= asyncio.run(_keys_in_memory(settings, key))
    story.note("telemetry", bytes(peer.received))
    story.model_asked = peer.asked
    return story


async def _made(settings: Settings) -> str:
    """A tenant with an administrator; gives the API key."""
    await initialise_cell(settings)
    async with open_office(settings) as office:
        tenant = await office.administration.create_tenant("acme", "Acme", office.region)
        operator = office.administration.operator_caller(tenant)
        person = await office.administration.create_user(
            operator, "ada", "Ada", Role.ADMINISTRATOR, Classification.RESTRICTED, (), PASSWORD
        )
        _, key = await office.administration.create_api_key(operator, person.id, "test", None, None, None)
    return key


def _served(story: Story, environment: dict[str, str], key: str) -> None:
    log, limits = story.folder / "service.log", resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (limits[1], limits[1]))  # whoever is started may dump as much as it wants to
    with log.open("wb") as output:
        service = subprocess.Popen(
            [sys.executable, "-m", "domicile.cli", "serve"],
            cwd=story.folder,
            env=_surroundings() | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    resource.setrlimit(resource.RLIMIT_CORE, limits)
    try:
        with httpx2.Client(base_url=f"http://{LOOPBACK}:{environment['DOMICILE_PORT']}", timeout=PATIENCE) as http:
            _wait_for(http, service)
            _use(story, http, key)
        for pid in _family(service.pid):
            story.processes += 1
            for name in ("cmdline", "environ"):
                story.note(f"/proc/{name}", Path(f"/proc/{pid}/{name}").read_bytes())
            story.note("limits", _core_limit(pid))
    finally:
        service.send_signal(signal.SIGABRT)
        service.wait(PATIENCE)
    story.note("log", log.read_bytes())


def _use(story: Story, http: httpx2.Client, key: str) -> None:
    """Sign in, ingest, search, ask, and fail in many ways."""
    bearer, here = {"Authorization": f"Bearer {key}"}, {"Origin": str(http.base_url).rstrip("/")}

    def told(response: httpx2.Response, *statuses: int) -> httpx2.Response:
        assert response.status_code in statuses, response.text
        if response.is_error:
            story.note("problem details", response.content)
        return response

    for password, status in ((PASSWORD, 303), (WRONG_PASSWORD, 401)):
        signed_in = http.post("/login", data={"login": "ada", "password": password}, headers=here)
        story.note("problem details", told(signed_in, status).content if status == 401 else b"")
    told(http.post("/v1/collections", json={"slug": "handbook"}, headers=bearer), 201)
    for name, content in (("budget.md", DOCUMENT.encode()), ("broken.pdf", b"%PDF-1.7 " + WORD.encode())):
        taken = http.post(
            "/v1/collections/handbook/documents",
            files={"file": (name, content)},
            data={"classification": "internal"},
            headers=bearer,
        )
        _wait_for_job(http, told(taken, 202).json()["id"], bearer)
    told(http.post("/v1/search", json={"query": f"{QUESTION} {WORD}"}, headers=bearer), 200)
    told(http.post("/v1/answers", json={"question": f"{QUESTION} {WORD}"}, headers=bearer), 200, 503)
    told(http.post("/v1/search", json={"query": [QUESTION, WORD]}, headers=bearer), 400)
    told(http.post("/v1/search", content=f'{{"query": "{QUESTION}'.encode(), headers=bearer), 400, 415)
    told(http.post("/v1/search", json={"query": QUESTION}, headers={"Authorization": f"Bearer {key[:-3]}xyz"}), 401)
    told(http.post("/v1/search", json={"query": QUESTION}, headers={"Authorization": f"Basic {PASSWORD}"}), 401)
    told(http.get("/v1/documents/018f0000-0000-7000-8000-000000000000", headers=bearer), 404)
    story.note("metrics", http.get("/metrics").content)
    story.note("readiness", http.get("/health/ready").content)
    time.sleep(6)  # the collector receives spans in batches, five seconds apart


def _failing_commands(story: Story, environment: dict[str, str]) -> None:
    """What an operator mistypes, with a database that is not there and keys that are broken."""
    broken = story.folder / "broken.key"
    root = Path(f"{environment['DOMICILE_DATA_DIR']}.keys") / "root.key"
    broken.touch(mode=0o600)
    broken.write_text(root.read_text().replace("domicile-root-key", "domicile-root"))
    database = {
        "DOMICILE_DATABASE_URL": f"postgresql+asyncpg://ada@{LOOPBACK}:{_free_port()}/domicile",
        "DOMICILE_DATABASE_REGION": "eu-de",
        "DOMICILE_DATABASE_PASSWORD_FILE": str(story.folder / "database_password"),
    }
    in_url = {"DOMICILE_DATABASE_URL": f"postgresql+asyncpg://ada:{DATABASE_PASSWORD}@10.0.0.1/d?sslmode=disable"}
    for arguments, changed in (
        (("serve",), {"DOMICILE_ROOT_KEY_FILE": str(broken)}),
        (("db", "status"), database),
        (("doctor",), database | in_url),
        (("serve",), {"DOMICILE_LLM_API_KEY_FILE": MODEL_KEY}),
        (("serve",), {"DOMICILE_LOG_LEVEL": PASSWORD}),
        (("search", "x"), {"DOMICILE_API_KEY": story.secrets["API key"].decode() + "x"}),
    ):
        ran = subprocess.run(
            [sys.executable, "-m", "domicile.cli", *arguments],
            cwd=story.folder,
            env=_surroundings() | environment | changed,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ran.returncode == 1, (arguments, ran.stderr)
        story.note("command errors", ran.stdout + ran.stderr)


async def _keys_in_memory(settings: Settings, key: str) -> dict[str, bytes]:
    """The tenant's key and a data key, as they were in the service's memory: opened again with the same root key."""
    found: dict[str, bytes] = {}
    checked = DataKey.__post_init__

    def noted(self: DataKey) -> None:
        found[f"key {len(found)}"] = bytes(self.secret)
        checked(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DataKey, "__post_init__", noted)
        async with open_cell(settings, command="test", run_jobs=False) as cell:
            caller = await cell.identity.authenticate_key(key, Origin(request_id="test", trace_id=""))
            assert (await cell.search.search(caller, SearchQuery(WORD, limit=1))).passages
    assert len(found) >= 3
    return found


def _surroundings() -> dict[str, str]:
    return {name: os.environ.get(name, "") for name in ("PATH", "PYTHONPATH")} | {"HF_HUB_OFFLINE": "1"}


def _family(pid: int) -> list[int]:
    """The process and everything that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    threads = Path(f"/proc/{pid}/task").iterdir() if children.exists() else []
    below = {int(child) for thread in threads for child in (thread / "children").read_text().split()}
    return [pid, *(each for child in below for each in _family(child))]


def _core_limit(pid: int) -> str:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line for line in lines if line.startswith("Max core file size")) + "\n"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _wait_for(http: httpx2.Client, service: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and service.poll() is None:
        try:
            if http.get("/health/live").is_success:
                return
        except httpx2.TransportError:
            time.sleep(0.2)
    raise AssertionError("The service does not answer.")


def _wait_for_job(http: httpx2.Client, job: str, bearer: dict[str, str]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if http.get(f"/v1/jobs/{job}", headers=bearer).json()["state"] in {"done", "failed"}:
            return
        time.sleep(0.2)
    raise AssertionError("The job does not end.")


# --- What must be true of it ------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_no_secret_is_in_anything_that_a_service_says(story: Story) -> None:
    """Logs at debug level, telemetry, problem details, metrics, command errors, arguments and environments."""
    found = [
        f"{name} in {where}"
        for name, secret in story.secrets.items()
        for where, what in story.seen.items()
        if any(spelling in what for spelling in spellings(secret))
    ]
    assert found == []


@pytest.mark.slow
def test_the_search_would_have_found_one(story: Story) -> None:
    """Everything was really said and really received, and there were keys to look for."""
    wanted = {"log", "telemetry", "problem details", "command errors", "/proc/cmdline", "/proc/environ", "metrics", "readiness"}
    assert {where for where, what in story.seen.items() if what} >= wanted
    assert story.processes >= 3, "the service, its parser and its bulk embedder"
    assert story.model_asked
    assert {"root.key", "key 0", "key 1", "key 2"} <= set(story.secrets)
    assert b"domicile" in story.seen["telemetry"]


@pytest.mark.slow
def test_no_process_of_it_leaves_a_core_dump(story: Story) -> None:
    """Neither may write one, and the one that was aborted did not. (``test_memory`` shows that others would.)"""
    assert {line.split()[4:6] == ["0", "0"] for line in story.seen["limits"].decode().splitlines()} == {True}
    assert list(story.folder.glob("core*")) == []


@pytest.mark.parametrize("name", [each.name for each in dataclasses.fields(Settings) if each.name not in FOLDERS])
def test_a_secret_in_the_wrong_variable_is_not_told_back(name: str, tmp_path: Path) -> None:
    """Whatever is wrong with it: errors name the setting. (Folders are the exception: a path is told, being no secret.)"""
    base = {
        "data_dir": str(tmp_path / "cell"),
        "region": "eu-de",
        "llm_url": f"http://{LOOPBACK}:9/v1",
        "llm_region": "eu-de",
        "llm_model": "m",
        "otlp_endpoint": f"http://{LOOPBACK}:9",
        "otlp_region": "eu-de",
        "qdrant_url": f"http://{LOOPBACK}:9",
        "qdrant_region": "eu-de",
        "database_url": f"postgresql+asyncpg://{LOOPBACK}:9/d",
        "database_region": "eu-de",
        "key_store_url": f"postgresql+asyncpg://{LOOPBACK}:9/k",
        "key_store_region": "eu-de",
        "blob_url": "s3://bucket",
        "blob_endpoint": f"http://{LOOPBACK}:9",
        "blob_region": "eu-de",
    }
    told = []
    for value in (
        PASSWORD,
        f"http://ada:{PASSWORD}@10.0.0.1/{PASSWORD}?{PASSWORD}",
        f"postgresql://a:{PASSWORD}@h:{PASSWORD}/d",
    ):
        environment = {f"DOMICILE_{key.upper()}": each for key, each in {**base, name: value}.items()}
        try:
            settings = load_settings(environment)
        except ConfigurationError as error:
            told.append(f"{error} {error.advice}")
            continue
        for step in _steps(settings):
            try:
                step()
            except DomicileError as error:
                told.append(f"{error} {error.advice}")
    assert not [each for each in told if PASSWORD in each]


def _steps(settings: Settings) -> Iterator[Any]:
    """What a start does with settings before it opens anything."""
    yield lambda: configure_logs(settings.log_level)
    yield lambda: residency_inventory(settings)
    yield lambda: served_certificate(settings)
    yield lambda: check_address(settings.host, 0)
    yield lambda: Places.parse(
        proxies=settings.trusted_proxies, header=settings.access_region_header, regions=settings.access_regions
    )
    for file in (
        settings.database_password_file,
        settings.key_store_password_file,
        settings.qdrant_api_key_file,
        settings.blob_secret_key_file,
        settings.llm_api_key_file,
    ):
        yield lambda file=file: read_secret(file)
