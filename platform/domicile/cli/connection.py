"""How ``ingest``, ``ask`` and ``search`` reach the cell: the running service, or, with none running, the cell itself.

Both ways lead through the same HTTP interface: with no service running, this process opens the cell and serves it to itself
over a Unix socket in a private folder. So there is one code path, and the same key, policy and audit, either way.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from domicile.config import Client, load_client, load_settings, read_secret
from domicile.domain.errors import CERTIFICATE_HINT, ConfigurationError, DependencyError, DomicileError, NotAuthenticated
from domicile.ports.tls import is_untrusted

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx2

_START_SECONDS = 120.0


class ServiceRefused(DomicileError):
    """A problem that the service reported, passed on in its own words."""


@contextmanager
def connect(url: str | None = None) -> Iterator[httpx2.Client]:
    """An HTTP client with the caller's API key, to wherever the cell is."""
    client = load_client(url=url)
    key = _api_key(client)
    where = client.url or _running_service()
    if where:
        with _client(key, where, None, _permit(where, client)) as http:
            yield http
        return
    with tempfile.TemporaryDirectory(prefix="domicile-") as folder:
        socket = Path(folder) / "cell.sock"
        with _own_cell(socket), _client(key, "http://domicile", str(socket)) as http:
            yield http


def call(http: httpx2.Client, method: str, path: str, **arguments: Any) -> Any:
    """The decoded JSON answer; raises ``ServiceRefused`` for a problem, ``DependencyError`` if nobody answers."""
    import httpx2

    try:
        response = http.request(method, path, **arguments)
    except httpx2.TransportError as error:
        raise unreachable(http, error) from None
    if response.is_error:
        raise refusal(response.content)
    return msgspec.json.decode(response.content) if response.content else None


def events(http: httpx2.Client, method: str, path: str, **arguments: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events, by name; raises as ``call`` does, also for a problem within the stream."""
    import httpx2

    try:
        with http.stream(method, path, headers={"Accept": "text/event-stream"}, **arguments) as response:
            if response.is_error:
                raise refusal(response.read())
            name = ""
            for line in response.iter_lines():
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    body = line[5:].strip().encode()
                    if name == "error":
                        raise refusal(body)
                    yield name, msgspec.json.decode(body)
    except httpx2.TransportError as error:
        raise unreachable(http, error) from None


def refusal(body: bytes) -> ServiceRefused:
    """The error for problem details (RFC 9457)."""
    try:
        problem = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return ServiceRefused("The service gave an answer that is not from Domicile.", hint="Check the URL.")
    return ServiceRefused(str(problem.get("detail") or problem.get("title", "")), hint=str(problem.get("hint") or "") or None)


def unreachable(http: httpx2.Client, error: BaseException) -> DependencyError:
    """What to tell of a service that was not reached, or that was and is not whom it should be."""
    if is_untrusted(error):
        wrong = f"The service at {http.base_url} is reached, but not by TLS that can be trusted."
        return DependencyError(wrong, hint=CERTIFICATE_HINT)
    return DependencyError(f"No service answers at {http.base_url}.", hint="Check that it runs, and the URL.")


def _permit(url: str, client: Client) -> SSLContext | None:
    """Let this process connect to the service that was named, and to nothing else; gives what verifies it."""
    from domicile.adapters.egress.destinations import destinations
    from domicile.adapters.egress.guard import PROCESS_GUARD
    from domicile.bootstrap.tls import service_context

    try:
        for each in destinations(url):
            PROCESS_GUARD.permit(each)
    except ConfigurationError as error:
        raise ConfigurationError(f"The service's URL cannot be used: {error}.", hint="Check DOMICILE_URL.") from None
    return service_context(url, client.ca_file)


def _client(key: str, url: str, socket: str | None, tls: SSLContext | None = None) -> httpx2.Client:
    import httpx2

    transport = httpx2.HTTPTransport(uds=socket) if socket else httpx2.HTTPTransport(verify=tls or True)
    # No proxy from the environment: a key must not travel by a way that nobody declared.
    return httpx2.Client(
        base_url=url,
        headers={"Authorization": f"Bearer {key}"},
        transport=transport,
        timeout=httpx2.Timeout(300.0, connect=5.0),
        trust_env=False,
    )


def _api_key(client: Client) -> str:
    if client.api_key:
        return client.api_key
    if key := read_secret(client.api_key_file):
        return key
    raise NotAuthenticated(
        "No API key is given.", hint="Set DOMICILE_API_KEY, or DOMICILE_API_KEY_FILE to a file that holds it."
    )


def _running_service() -> str:
    """The URL of the service that holds this machine's cell; empty if none does."""
    from domicile.adapters.lock.folder import current_holder

    holder = current_holder(load_settings().data_dir)
    return _from_here(holder.url) if holder else ""


def _from_here(url: str) -> str:
    """Where a service that listens on every address of this machine is reached on it."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


@contextmanager
def _own_cell(socket: Path) -> Iterator[None]:
    """Serve the cell on the socket from a thread of this process until the block ends."""
    from domicile.adapters.egress.destinations import Destination
    from domicile.adapters.egress.guard import PROCESS_GUARD
    from domicile.bootstrap import open_cell
    from domicile.web.server import serve_cell

    settings = load_settings()
    PROCESS_GUARD.permit(Destination(str(socket), 0))
    loop = asyncio.new_event_loop()
    stop, ready = asyncio.Event(), threading.Event()
    failure: list[DomicileError] = []

    async def run() -> None:
        async with open_cell(settings, command="domicile", run_jobs=True) as cell:
            await serve_cell(cell, stop=stop, started=ready.set, path=socket)

    def thread() -> None:
        try:
            loop.run_until_complete(run())
        except DomicileError as error:  # raised again in the thread that waits
            failure.append(error)
        finally:
            ready.set()

    worker = threading.Thread(target=thread, name="domicile-cell")
    worker.start()
    try:
        if not ready.wait(_START_SECONDS):
            raise ConfigurationError("The cell did not open in time.", hint="Look at its log with DOMICILE_LOG_LEVEL=debug.")
        if failure:
            raise failure[0]
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        worker.join()
