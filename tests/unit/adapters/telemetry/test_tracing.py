"""Spans and metrics pass an allow-list, and errors leave their slug, not their words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from domicile.adapters.telemetry.tracing import OpenTelemetry, _direct, otlp_exporters
from domicile.domain.errors import StorageFull

CONTENT = "the salary of grade G6 is 84,000"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def telemetry(exporter: InMemorySpanExporter) -> OpenTelemetry:
    return OpenTelemetry("cell", "eu-de", processors=[SimpleSpanProcessor(exporter)])


def test_only_allowed_attributes_leave(telemetry: OpenTelemetry, exporter: InMemorySpanExporter) -> None:
    """A question given as an attribute by mistake goes neither into the trace nor into the metrics."""
    with telemetry.span("domicile.parse", domicile__bytes=3, question=CONTENT):
        telemetry.count("domicile.audit.events", domicile__outcome="denied", question=CONTENT)
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes or {}) == {"domicile.bytes": 3}
    metrics = telemetry.render_metrics().decode()
    assert CONTENT not in metrics
    assert 'domicile_audit_events_total{domicile_outcome="denied"} 1.0' in metrics


def test_sizes_and_ids_do_not_label_metrics(telemetry: OpenTelemetry) -> None:
    """Each distinct label makes a series of its own, and an id in a series outlives its document."""
    with telemetry.span("domicile.parse", domicile__bytes=3, domicile__tenant_id="t"):
        pass
    metrics = telemetry.render_metrics().decode()
    assert "domicile_parse_duration_seconds_count 1.0" in metrics
    assert "tenant_id" not in metrics


def test_an_error_leaves_its_slug_and_not_its_message(telemetry: OpenTelemetry, exporter: InMemorySpanExporter) -> None:
    """The message of an exception can carry content; its class or slug cannot."""
    with pytest.raises(StorageFull), telemetry.span("domicile.index.upsert"):
        raise StorageFull(CONTENT)
    with pytest.raises(ValueError, match="salary"), telemetry.span("domicile.parse"):
        raise ValueError(CONTENT)
    first, second = exporter.get_finished_spans()
    assert (first.attributes or {})["error.type"] == "storage-full"
    assert (second.attributes or {})["error.type"] == "ValueError"
    assert CONTENT not in first.to_json() + second.to_json()


def test_the_trace_id_is_there_inside_a_span_only(telemetry: OpenTelemetry) -> None:
    """It links log lines and audit events to the trace."""
    assert telemetry.trace_id() == ""
    with telemetry.span("domicile.parse"):
        assert len(telemetry.trace_id()) == 32


def test_traces_go_to_the_collector_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither through a proxy of the environment, nor with a password from it, nor where the collector sends them on to."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    session = _direct()
    settings = session.merge_environment_settings("http://otel:4318/v1/traces", {}, None, None, None)
    assert dict(settings["proxies"]) == {}
    assert (session.trust_env, session.max_redirects) == (False, 0)


@pytest.fixture
def collector() -> Iterator[tuple[str, list[str]]]:
    """The address of a server that takes telemetry, and the paths that were sent to."""
    paths: list[str] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("silenced", "sent"), [(False, {"/v1/traces", "/v1/metrics"}), (True, set())])
def test_who_is_silenced_sends_not_even_what_waits(collector: tuple[str, list[str]], silenced: bool, sent: set[str]) -> None:
    """Closing sends what is left; after a silence there is nothing left to send."""
    url, paths = collector
    telemetry = OpenTelemetry("cell", "eu-de", *otlp_exporters(url))
    with telemetry.span("domicile.parse"):
        telemetry.count("domicile.audit.events")
    if silenced:
        telemetry.silence()
    telemetry.close()
    assert set(paths) == sent
