"""The real SGLang server, serving a tiny random model on this machine's processor.

    @pytest.fixture(scope="session")
    def sglang(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SglangServer]:
        if (reason := why_unavailable()) is not None:
            pytest.skip(reason)
        with SglangServer(tmp_path_factory.mktemp("sglang") / "server.log") as server:
            yield server

`install.sh` beside this file makes the environment that it runs in. Linux only, as SGLang is.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

HERE = Path(__file__).resolve().parent
VERSION = "0.5.23"
MODEL = "tiny"

# A first start took 16 to 40 s on two idle cores; a busy machine may take several times that.
READY_WITHIN_S = 300.0
# An idle server leaves 4 s after SIGTERM, having removed its semaphores; one that is still
# streaming would first finish, which no test waits for.
EXIT_WITHIN_S = 10.0
LOG_TAIL_LINES = 40

# /health must be asked directly: a proxy named in the environment knows nothing of this machine.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SglangUnavailable(RuntimeError):
    """SGLang is not installed here; the message says what to do about it."""


class SglangDied(RuntimeError):
    """The server ended, or did not become ready; the message carries the end of its log."""


def environment_folder() -> Path:
    """Where `install.sh` puts the environment; the two must agree."""
    if chosen := os.environ.get("DOMICILE_SGLANG_ENV"):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "domicile" / f"sglang-{VERSION}"


def why_unavailable() -> str | None:
    """Say in one sentence why the server cannot be started here, or None when it can."""
    folder = environment_folder()
    remedy = "run tests/integration/sglang/install.sh"
    try:
        stamp = (folder / "domicile-stamp").read_text().strip()
    except FileNotFoundError:
        return f"SGLang is not installed in {folder}: {remedy}"
    pins = b"".join((HERE / name).read_bytes() for name in ("requirements.txt", "requirements-no-deps.txt"))
    if stamp != hashlib.sha256(pins).hexdigest():
        return f"the SGLang installed in {folder} is not the one pinned now: {remedy}"
    return None


class SglangServer:
    """One running server, from `__enter__` to `__exit__`.

    Raises:
        SglangUnavailable: SGLang is not installed here (`why_unavailable` tells beforehand).
        SglangDied: it ended before it was ready, or was not ready in time.
    """

    model = MODEL

    def __init__(
        self,
        log: Path,
        *,
        api_key: str | None = None,
        arguments: Sequence[str] = (),
        ready_within_s: float = READY_WITHIN_S,
    ) -> None:
        """Prepare a server that logs to `log`; `arguments` are added to its command line."""
        self.log = log
        self.api_key = api_key
        self.port = _free_port()
        self._arguments = list(arguments)
        self._ready_within_s = ready_within_s
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: Path | None = None

    @property
    def base_url(self) -> str:
        """Return the server's root, without `/v1`: `/health` and `/metrics` are beside that."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Start the server and wait until it answers."""
        if (reason := why_unavailable()) is not None:
            raise SglangUnavailable(reason)
        self._scratch = Path(tempfile.mkdtemp(prefix="domicile-sglang-"))
        try:
            self._launch(tiny_model(), self._scratch)
            self._wait_until_ready()
        except BaseException:  # An interrupt, too, must not leave the server behind.
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self.stop()

    def kill_scheduler(self) -> None:
        """Kill the process that generates, as a crash would: a stream in flight is cut off.

        Nothing more is streamed, but the connection ends only some 6 s later, when SGLang has
        noticed and ends all of itself. Another server is needed for anything further.
        """
        assert self._process is not None, "the server is not running"
        schedulers = [
            process for process, title in _processes_of_group(self._process.pid) if title.startswith("sglang::scheduler")
        ]
        assert schedulers, "no scheduler among the server's processes"
        for process in schedulers:
            os.kill(process, signal.SIGKILL)

    def stop(self) -> None:
        """End every process of the server's own group; a second call does nothing.

        SGLang itself leaves 16 KB in /dev/shm/sglang_loads_* at each end, however polite.
        """
        if self._process is not None:
            # Only the first process is asked: children that ended before it would look like a
            # crash to it, and it would stay to write a report on that.
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(EXIT_WITHIN_S)
            # Its children may outlive the first process, whose number stays the group's as
            # long as one of them lives.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def _launch(self, model: Path, scratch: Path) -> None:
        command = [
            *(str(_python()), "-m", "sglang.launch_server"),
            *("--model-path", str(model), "--served-model-name", MODEL),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--device", "cpu", "--attention-backend", "torch_native"),
            # Qwen2 in SGLang's own code asks for a module that only GPU builds have.
            *("--model-impl", "transformers"),
            # Its cache would take half of the machine's memory by default.
            *("--max-total-tokens", "16384", "--max-running-requests", "8"),
            *("--enable-metrics", "--enable-cache-report", "--random-seed", "1"),
            *(("--api-key", self.api_key) if self.api_key else ()),
            *self._arguments,
        ]
        # One thread: with one for each core, they wait for each other at every layer, and a tiny
        # model on a busy machine then writes ten times slower.
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=scratch,
                env=_offline_environment() | {"TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self._ready_within_s
        while time.monotonic() < deadline:
            if (status := self._process.poll()) is not None:
                raise SglangDied(f"SGLang ended with status {status}:\n{self._log_tail()}")
            if self._is_healthy():
                return
            time.sleep(0.25)
        raise SglangDied(f"SGLang was not ready within {self._ready_within_s:.0f} s:\n{self._log_tail()}")

    def _is_healthy(self) -> bool:
        """Ask `/health`, which answers 503 while starting and generates a token when ready."""
        try:
            with _DIRECT.open(f"{self.base_url}/health", timeout=30) as answer:
                return bool(answer.status == 200)
        except OSError:  # URLError, HTTPError and a reset connection are all of this family.
            return False

    def _log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])


def tiny_model() -> Path:
    """Return the folder of the tiny model, made on the first call and kept in the environment."""
    recipe = HERE / "make_tiny_model.py"
    digest = hashlib.sha256(recipe.read_bytes()).hexdigest()[:16]
    folder = environment_folder() / "cache" / f"tiny-{digest}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(exist_ok=True)
    # Made beside its place and moved there whole, so that nobody ever loads half a model.
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=folder.parent))
    try:
        made = subprocess.run(
            [_python(), recipe, unfinished],
            env=_offline_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise SglangDied(f"the tiny model could not be made:\n{made.stderr}")
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # Else another test run was faster, with the same model.
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _python() -> Path:
    return environment_folder() / "bin" / "python"


def _offline_environment() -> dict[str, str]:
    """Return this process's environment, offline, without what points its Python elsewhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "VIRTUAL_ENV"}
    }
    return kept | {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def _free_port() -> int:
    """Return a port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _processes_of_group(group: int) -> Iterator[tuple[int, str]]:
    """Give the number and the title of every living process of a process group."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if os.getpgid(int(folder.name)) != group:
                continue
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (ProcessLookupError, FileNotFoundError):  # It ended while we looked.
            continue
        yield int(folder.name), title
