"""What a bulk ingest costs those who search meanwhile: real HTTP, the real model, beside 100,000 chunks of other documents."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from itertools import cycle

import httpx2
from tests.benchmarks.filled import WORDS_OF_A_QUESTION, Filled, Writer, filled_cell
from tests.benchmarks.places import NO_HANDBOOK, handbook
from tests.benchmarks.service import Service, served
from tests.benchmarks.table import Row, percentile, skipped

from domicile.ingestion.intake import Upload

FIGURE = "search p95 while the handbook is ingested ÷ quiet"
MOST = 2.0
WARM_UP = 50
QUIET = 150
#: Seconds between two questions, as of many people who read in between.
PAUSE = 0.04
_INGEST_SECONDS = 600.0


def run() -> list[Row]:
    pages = handbook()
    if not pages:
        return [skipped(FIGURE, NO_HANDBOOK)]
    filled = filled_cell()
    with served(filled.folder) as service, httpx2.Client(base_url=service.url, trust_env=False, timeout=60) as client:
        asked = _Questions(client, filled)
        asked.ask(WARM_UP)
        quiet = asked.ask(QUIET)
        ingest = _Ingest(service, filled.administrators[0], pages)
        busy = asked.ask_while(ingest.goes_on)
        ingest.finish()
        after = asked.ask(QUIET)
        children = service.children()
    calm = quiet + after
    slowed = percentile(busy, 0.95) / percentile(calm, 0.95)
    return [
        Row(FIGURE, slowed, most=MOST, ratio=slowed, against="quiet"),
        Row("  p95 quiet, half before and half after", percentile(calm, 0.95), "ms"),
        Row("  p95 during the ingest", percentile(busy, 0.95), f"ms ({len(busy)} searches in {ingest.seconds:.0f} s)"),
        Row("  p50 quiet", percentile(calm, 0.5), "ms"),
        Row("  p50 during the ingest", percentile(busy, 0.5), "ms"),
        *(Row(f"  resident: child process {name}", size / 1e9, "GB") for name, size in children.items()),
    ]


class _Questions:
    """One question after another, every time of another tenant."""

    def __init__(self, client: httpx2.Client, filled: Filled) -> None:
        self._client = client
        self._members = cycle(filled.members)
        self._writer = Writer(3)

    def ask(self, count: int) -> list[float]:
        """Milliseconds of each."""
        return [self._one() for _ in range(count)]

    def ask_while(self, condition: Callable[[], bool]) -> list[float]:
        took = []
        while condition():
            took.append(self._one())
        return took

    def _one(self) -> float:
        time.sleep(PAUSE)
        body = {"query": self._writer.text(WORDS_OF_A_QUESTION), "limit": 8}
        started = time.perf_counter()
        answer = self._client.post("/v1/search", json=body, headers={"Authorization": f"Bearer {next(self._members)}"})
        took = (time.perf_counter() - started) * 1000
        answer.raise_for_status()
        return took


class _Ingest:
    """An upload and its job, followed in a thread as the command follows it: over server-sent events."""

    def __init__(self, service: Service, key: str, pages: list[Upload]) -> None:
        self._client = httpx2.Client(
            base_url=service.url, trust_env=False, timeout=_INGEST_SECONDS, headers={"Authorization": f"Bearer {key}"}
        )
        self._pages = pages
        self._thread = threading.Thread(target=self._run)
        self.seconds = 0.0
        self._failed = True
        self._thread.start()

    def goes_on(self) -> bool:
        return self._thread.is_alive()

    def finish(self) -> None:
        self._thread.join()
        self._client.close()
        if self._failed:
            raise RuntimeError("The ingest failed.")

    def _run(self) -> None:
        started = time.perf_counter()
        files = [("file", (page.source.rsplit("/", 1)[-1], page.content)) for page in self._pages]
        sources = [page.source for page in self._pages]
        answer = self._client.post("/v1/collections/knowledge/documents", files=files, data={"source": sources})
        job = answer.raise_for_status().json()["id"]
        last = ""
        with self._client.stream("GET", f"/v1/jobs/{job}/events") as events, contextlib.closing(events):
            for line in events.iter_lines():
                last = line if line.startswith("data") else last
        self.seconds = time.perf_counter() - started
        end = json.loads(last.removeprefix("data:") or "{}")
        # Some pages of the handbook hold no text and are refused; one that was there already would have cost nothing.
        self._failed = end.get("state") != "done" or not end["added"] or end["unchanged"] > 0
