"""From starting a demonstration cell that exists already until its first answer: what the second ``make run`` takes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import yaml
from tests.benchmarks.places import ROOT, free_port, scratch
from tests.benchmarks.table import Row, at_most

MOST_SECONDS = 10.0
_PATIENCE = 300.0


def run() -> list[Row]:
    asked = yaml.safe_load((ROOT / "samples" / "manifest.yaml").read_text("utf-8"))["questions"][0]
    with scratch() as folder:
        started = time.perf_counter()
        with _demo(folder) as (_, output):
            first = time.perf_counter() - started
            key = _key(output, asked["user"])
        started = time.perf_counter()
        with _demo(folder) as (url, _):
            listening = time.perf_counter() - started
            body = {"question": asked["question"]}
            answer = httpx2.post(
                f"{url}/v1/answers", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=_PATIENCE, trust_env=False
            )
            answered = time.perf_counter() - started
            answer.raise_for_status()
    return [
        at_most("start to first answer, second `domicile demo`", answered, MOST_SECONDS, "s"),
        Row("  of which until it listens", listening, "s"),
        Row("  the first start, with everything ingested", first, "s"),
    ]


@contextmanager
def _demo(folder: Path) -> Iterator[tuple[str, str]]:
    """A running demonstration: its URL, and what it printed when it began to listen."""
    port = free_port()
    command = [sys.executable, "-m", "domicile.cli", "demo", "--data-dir", str(folder / "demo"), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOMICILE_")}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith("Stop with"):
                    break
            else:
                raise RuntimeError("The demonstration did not start.")
            yield f"http://127.0.0.1:{port}", "".join(lines)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE)


def _key(output: str, login: str) -> str:
    found = re.search(rf"^\s+{re.escape(login)}\s.*\s(\S+)$", output, re.MULTILINE)
    if not found:
        raise RuntimeError("The demonstration printed no key.")
    return found[1]
