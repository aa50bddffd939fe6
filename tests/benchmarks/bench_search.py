"""``POST /v1/search`` over 100,000 chunks of 50 tenants, and what the service has resident with them."""

from __future__ import annotations

import statistics
import time

import httpx2
from tests.benchmarks.filled import WORDS_OF_A_QUESTION, Writer, filled_cell
from tests.benchmarks.service import Service, served
from tests.benchmarks.table import Row, at_most, percentile

WARM_UP = 100
REQUESTS = 300
MOST_MS = 8.0
MOST_GB = 1.5


def run() -> list[Row]:
    filled = filled_cell()
    with served(filled.folder) as service:
        totals, embeddings = _searches(service, filled.members)
        resident, children = service.resident_bytes(), service.children()
    own = [total - embedding for total, embedding in zip(totals, embeddings, strict=True)]
    return [
        at_most("POST /v1/search, 100 k chunks, 50 tenants, p50 without embedding", statistics.median(own), MOST_MS, "ms"),
        Row("  the same, p95", percentile(own, 0.95), "ms"),
        Row("  with the question's embedding, p50", statistics.median(totals), "ms"),
        Row("  with the question's embedding, p95", percentile(totals, 0.95), "ms"),
        Row("  the embedding alone, p50", statistics.median(embeddings), "ms"),
        at_most("resident memory of the service, 100 k chunks of 384 dimensions", resident / 1e9, MOST_GB, "GB"),
        *(Row(f"  its child process {name}", size / 1e9, "GB") for name, size in children.items()),
    ]


def _searches(service: Service, members: tuple[str, ...]) -> tuple[list[float], list[float]]:
    """Milliseconds of each request and of its embedding, one request after another, every time of another tenant."""
    writer, totals = Writer(2), []
    with httpx2.Client(base_url=service.url, trust_env=False) as client:
        for number in range(WARM_UP + REQUESTS):
            headers = {"Authorization": f"Bearer {members[number % len(members)]}"}
            body = {"query": writer.text(WORDS_OF_A_QUESTION), "limit": 8}
            started = time.perf_counter()
            answer = client.post("/v1/search", json=body, headers=headers)
            totals.append((time.perf_counter() - started) * 1000)
            if len(answer.raise_for_status().json()["passages"]) != 8:
                raise RuntimeError("A search found too little.")
    embeddings = [seconds * 1000 for seconds in service.embedding_seconds()]
    return totals[WARM_UP:], embeddings[WARM_UP:]
