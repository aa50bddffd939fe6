"""The Compose file is valid and confines everything, and its commands really start with the environment that it gives them."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

from domicile.adapters.identity.clock import SystemClock
from domicile.bootstrap.office import decision_point
from domicile.bootstrap.residency import check_residency
from domicile.config import load_settings

ROOT = Path(__file__).resolve().parents[2]
OURS = ("init", "service", "worker")
_VARIABLE = re.compile(r"\$\{(\w+)(:-|:\?)?((?:[^{}]|\$\{[^{}]*\})*)\}")


def interpolated(text: str, environment: Mapping[str, str]) -> str:
    """The text with ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}`` replaced as Compose does it."""

    def replace(match: re.Match[str]) -> str:
        name, operator, rest = match.groups()
        if environment.get(name):
            return environment[name]
        if operator == ":?":
            raise ValueError(rest)
        return interpolated(rest or "", environment)

    return _VARIABLE.sub(replace, text).replace("$$", "$")


@pytest.fixture
def compose() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    parsed: dict[str, Any] = yaml.safe_load(interpolated(text, {"DOMICILE_REGION": "eu-de"}))
    return parsed


def test_it_is_valid_by_the_compose_specification(compose: dict[str, Any]) -> None:
    """Read back through an independent implementation of the specification, which refuses what it does not know."""
    read = compose_spec.PyCompose.from_json(json.dumps(compose))
    assert set(read.service_names()) == {*OURS, "postgres", "key-store", "qdrant", "sglang", "otel-collector"}


def test_it_refuses_to_start_without_a_region() -> None:
    """There is no default region, here as anywhere."""
    with pytest.raises(ValueError, match="region"):
        interpolated((ROOT / "docker-compose.yml").read_text("utf-8"), {})


def test_only_the_service_is_published_and_everything_else_has_no_way_out(compose: dict[str, Any]) -> None:
    """The network that the stores and the model are on is internal: nothing there reaches another host."""
    assert compose["networks"]["inside"] == {"internal": True}
    for name, service in compose["services"].items():
        if name == "service":
            assert service["networks"] == ["inside", "published"]
        else:
            assert service["networks"] == ["inside"], name
            assert "ports" not in service, name


def test_the_published_network_translates_no_address_for_connections_from_inside(compose: dict[str, Any]) -> None:
    """The service has to be on it to be reached; what it would send out by itself finds no way back."""
    options = compose["networks"]["published"]["driver_opts"]
    assert options == {"com.docker.network.bridge.enable_ip_masquerade": "false"}


def test_nothing_runs_as_root_or_with_capabilities(compose: dict[str, Any]) -> None:
    """Each service names an unprivileged user, drops every capability and can gain none."""
    for name, service in compose["services"].items():
        assert service["user"].split(":")[0] not in {"root", "0"}, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_secrets_are_files_and_never_values(compose: dict[str, Any]) -> None:
    """What looks like a password or key in the environment is the path of a file."""
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|API_KEY|SECRET", variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert str(value).startswith("/run/secrets/"), f"{name}: {variable}"


def test_every_way_between_the_containers_is_tls(compose: dict[str, Any]) -> None:
    """Each server is given a certificate and its key, which are mounted; ours trust nobody but their authority."""
    for name in OURS:
        environment = compose["services"][name]["environment"]
        settings = load_settings({variable: str(value) for variable, value in environment.items() if value})
        check_residency(settings, decision_point(settings), SystemClock())
        assert (environment["DOMICILE_CA_FILE"], environment["DOMICILE_DATABASE_URL"].partition("?")[2]) == (
            "/run/secrets/ca",
            "",
        )
    for name, secret in {"service": "service", "postgres": "postgres", "qdrant": "qdrant", "otel-collector": "otel"}.items():
        assert {f"{secret}_certificate", f"{secret}_key"} <= set(compose["services"][name]["secrets"]), name
    for service in compose["services"].values():
        for secret in service.get("secrets", []):
            assert (secret["source"] if isinstance(secret, dict) else secret) in compose["secrets"]
    given = {each["target"]: each["source"] for each in compose["services"]["key-store"]["secrets"]}
    assert (given["postgres_certificate"], given["postgres_key"]) == ("key_store_certificate", "key_store_key")
    assert compose["services"]["qdrant"]["environment"]["QDRANT__SERVICE__ENABLE_TLS"] == "true"
    assert "-c ssl=on" in compose["services"]["postgres"]["entrypoint"][-1]
    collector = yaml.safe_load((ROOT / "infra" / "otel" / "collector.yaml").read_text("utf-8"))
    assert set(collector["receivers"]["otlp"]["protocols"]) == {"http"}
    assert collector["receivers"]["otlp"]["protocols"]["http"]["tls"]["key_file"] == "/run/secrets/otel_key"


def test_the_script_makes_a_certificate_for_each_component(certificates: Path) -> None:
    """Each is good for its component's name, under an authority that can sign no other authority; run again, all are kept."""
    made = {path.name: path.read_bytes() for path in certificates.iterdir()}
    assert certificates.stat().st_mode & 0o777 == 0o700
    assert (certificates / "ca.key").stat().st_mode & 0o777 == 0o600
    for component in ("service", "postgres", "key-store", "qdrant", "sglang", "otel-collector"):
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificates / f"{component}.pem", certificates / f"{component}.key")
        for name, believed in ((component, True), ("127.0.0.1", True), ("other", False)):
            assert _handshake(server, certificates / "ca.pem", name) is believed, (component, name)
    assert _handshake(server, certificates / "ca.pem", "chat.example.org") is False
    server.load_cert_chain(certificates / "service.pem", certificates / "service.key")
    assert _handshake(server, certificates / "ca.pem", "chat.example.org")
    _make_certificates(certificates)
    assert {path.name: path.read_bytes() for path in certificates.iterdir()} == made


def _handshake(server: ssl.SSLContext, authorities: Path, name: str) -> bool:
    """Whether a client that trusts those authorities takes the server for the one of that name; in memory."""
    client = ssl.create_default_context(cafile=authorities)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking, answering = client.wrap_bio(down, up, server_hostname=name), server.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return True


def _make_certificates(folder: Path) -> Path:
    script = str(ROOT / "infra" / "tls" / "make-certificates.sh")
    subprocess.run(["bash", script, str(folder), "chat.example.org"], check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make_certificates(tmp_path_factory.mktemp("compose") / "tls")


def test_every_endpoint_declares_its_region(compose: dict[str, Any]) -> None:
    """For each address in the environment of our services there is a region beside it."""
    for name in OURS:
        environment = compose["services"][name]["environment"]
        for variable in environment:
            if match := re.fullmatch(r"(DOMICILE_\w+)_(URL|ENDPOINT)", variable):
                assert environment[f"{match[1]}_REGION"] == "eu-de", f"{name}: {variable}"


@pytest.mark.postgres
def test_the_commands_start_as_processes_with_the_same_environment(
    compose: dict[str, Any], tmp_path: Path, postgres_url: str, postgres_key_store_url: str, certificates: Path
) -> None:
    """``init`` ends well, ``worker`` stays up, and ``serve`` answers, with PostgreSQL where Compose has it.

    Qdrant is the engine in the process here, which needs the whole cell in one process: so the service runs its own jobs,
    and the worker is only started far enough to refuse that combination in a sentence.
    """
    port = _free_port()
    environment = _as_process(
        compose["services"]["service"]["environment"], tmp_path, (postgres_url, postgres_key_store_url), port
    )
    subprocess.run(["install", "-D", "-m", "600", certificates / "service.key", tmp_path / "tls" / "service.key"], check=True)
    environment |= {
        "DOMICILE_CA_FILE": str(certificates / "ca.pem"),
        "DOMICILE_TLS_CERT_FILE": str(certificates / "service.pem"),
        "DOMICILE_TLS_KEY_FILE": str(tmp_path / "tls" / "service.key"),
    }
    made = _run("init", environment)
    assert made.returncode == 0, made.stderr
    with _started("serve", environment, tmp_path):
        status, body = _wait_for(f"https://127.0.0.1:{port}/health/ready", certificates / "ca.pem")
        assert (status, body["status"]) == (200, "ready")
    refused = _run("worker", {**environment, "DOMICILE_JOBS": "worker"})
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: Separate workers need a database server and a Qdrant server.")


def _as_process(environment: Mapping[str, Any], folder: Path, urls: tuple[str, str], port: int) -> dict[str, str]:
    """The container's environment, with paths, ports and addresses that exist on this machine."""
    (url, password), (key_store_url, _) = (_without_password(each) for each in urls)
    secret = folder / "database_password"
    secret.write_text(password)
    changed = {
        "DOMICILE_DATA_DIR": str(folder / "data"),
        "DOMICILE_ROOT_KEY_FILE": str(folder / "keys" / "root.key"),
        "DOMICILE_HOST": "127.0.0.1",
        "DOMICILE_PORT": str(port),
        "DOMICILE_JOBS": "embedded",
        "DOMICILE_DATABASE_URL": url,
        "DOMICILE_DATABASE_PASSWORD_FILE": str(secret),
        "DOMICILE_KEY_STORE_URL": key_store_url,
        "DOMICILE_KEY_STORE_PASSWORD_FILE": str(secret),
        "DOMICILE_QDRANT_URL": "",
        "DOMICILE_QDRANT_REGION": "",
        "DOMICILE_QDRANT_API_KEY_FILE": "",
        "DOMICILE_OTLP_ENDPOINT": "",
        "DOMICILE_OTLP_REGION": "",
    }
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "HF_HUB_OFFLINE": "1"}
    return {**kept, **{name: str(value or "") for name, value in environment.items()}, **changed}


def _without_password(url: str) -> tuple[str, str]:
    password = re.search(r"://[^:/@]+:([^@]+)@", url)
    assert password is not None
    return url.replace(f":{password[1]}@", "@"), password[1]


def _run(command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "domicile.cli", command]
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def _started(command: str, environment: dict[str, str], folder: Path) -> Iterator[None]:
    with (folder / f"{command}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "domicile.cli", command], env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(url: str, authorities: Path) -> tuple[int, dict[str, Any]]:
    """The first answer that is ready, or the last one that was not after a minute."""
    status, body, trusted = 0, {}, ssl.create_default_context(cafile=authorities)
    for _ in range(240):
        try:
            with urllib.request.urlopen(url, timeout=5, context=trusted) as response:  # noqa: S310 - loopback, built above
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            status, body = error.code, json.loads(error.read())
        except OSError:
            pass
        time.sleep(0.25)
    return status, body
