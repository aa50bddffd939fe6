"""OpenTelemetry traces and metrics behind the ``Telemetry`` port."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from opentelemetry import trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Counter, Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode
from prometheus_client import CollectorRegistry, generate_latest

from domicile.adapters.telemetry.allowlist import METRIC_ATTRIBUTES, SPAN_ATTRIBUTES
from domicile.domain.errors import DomicileError
from domicile.ports.tls import TlsFiles

if TYPE_CHECKING:
    import requests

Attribute = str | int | float | bool


class Exporter(Protocol):
    """What sends telemetry elsewhere."""

    def shutdown(self) -> None:
        """From now on it sends nothing."""
        ...


class OpenTelemetry:
    """One cell's providers, held here rather than set globally, so that two cells in one process do not mix.

    ``processors`` receive finished spans, ``readers`` the metrics; both beside the Prometheus registry behind ``/metrics``.
    ``exporters`` are what sends them elsewhere.
    """

    def __init__(
        self,
        cell: str,
        region: str,
        processors: Sequence[SpanProcessor] = (),
        readers: Sequence[MetricReader] = (),
        exporters: Sequence[Exporter] = (),
    ) -> None:
        self._exporters = tuple(exporters)
        resource = Resource({"service.name": "domicile", "service.namespace": cell, "cloud.region": region})
        self._registry = CollectorRegistry()
        # Without anyone to receive them spans are not recorded; they still have ids, by which log lines are found together.
        self._tracers = TracerProvider(sampler=ALWAYS_ON if processors else ALWAYS_OFF, resource=resource)
        for processor in processors:
            self._tracers.add_span_processor(processor)
        self._meters = MeterProvider(
            resource=resource,
            metric_readers=[PrometheusMetricReader(registry=self._registry, scope_info_enabled=False), *readers],
            views=[View(instrument_name="*", attribute_keys=set(METRIC_ATTRIBUTES))],
        )
        self._tracer = self._tracers.get_tracer("domicile")
        self._meter = self._meters.get_meter("domicile")
        self._histograms: dict[str, Histogram] = {}
        self._counters: dict[str, Counter] = {}

    @contextmanager
    def span(self, name: str, **attributes: Attribute) -> Iterator[None]:
        """A span and its duration. Exceptions mark it with their stable slug only: their messages are not recorded."""
        allowed = _dotted(attributes, SPAN_ATTRIBUTES)
        started = time.perf_counter()
        failed = ""
        # The exception's own text could carry content, hence neither of the two automatic recordings.
        with self._tracer.start_as_current_span(
            name, kind=SpanKind.INTERNAL, attributes=allowed, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:  # re-raised: a span has to end whatever happens
                failed = error.slug if isinstance(error, DomicileError) else type(error).__name__
                span.set_status(Status(StatusCode.ERROR))
                span.set_attribute("error.type", failed)
                raise
            finally:
                self._duration(name, time.perf_counter() - started, allowed, failed)

    def count(self, name: str, amount: int = 1, **attributes: Attribute) -> None:
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = self._meter.create_counter(name)
        counter.add(amount, _dotted(attributes, METRIC_ATTRIBUTES))

    def trace_id(self) -> str:
        context = trace.get_current_span().get_span_context()
        return f"{context.trace_id:032x}" if context.is_valid else ""

    def render_metrics(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)

    def silence(self) -> None:
        """Send nothing more to anybody, not even what waits to be sent."""
        for each in self._exporters:
            each.shutdown()

    def close(self) -> None:
        self._tracers.shutdown()
        self._meters.shutdown()

    def _duration(self, name: str, seconds: float, attributes: dict[str, Attribute], failed: str) -> None:
        histogram = self._histograms.get(name)
        if histogram is None:
            histogram = self._histograms[name] = self._meter.create_histogram(
                f"{name}.duration", unit="s", explicit_bucket_boundaries_advisory=_BUCKETS
            )
        histogram.record(seconds, {**attributes, "error.type": failed} if failed else attributes)


_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0]


def _dotted(attributes: dict[str, Attribute], allowed: frozenset[str]) -> dict[str, Attribute]:
    """Keyword names to attribute names (``http__route`` to ``http.route``), without those that are not allowed."""
    named = ((key.replace("__", "."), value) for key, value in attributes.items())
    return {key: value for key, value in named if key in allowed}


def otlp_exporters(
    endpoint: str, tls: TlsFiles | None = None
) -> tuple[list[SpanProcessor], list[MetricReader], list[Exporter]]:
    """Batched exporters to an OTLP/HTTP collector, as ``OpenTelemetry`` takes them; its certificate is verified by ``tls``.

    The import is slow, so it is paid only where one is configured.
    """
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    base = endpoint.rstrip("/")
    traces, measures = f"{base}/v1/traces", f"{base}/v1/metrics"
    if tls is None:
        spans, metrics = OTLPSpanExporter(traces, session=_direct()), OTLPMetricExporter(measures, session=_direct())
    else:
        files = tls.authorities, tls.key or None, tls.certificate or None
        spans = OTLPSpanExporter(traces, *files, session=_direct())
        metrics = OTLPMetricExporter(measures, *files, session=_direct())
    return [BatchSpanProcessor(spans)], [PeriodicExportingMetricReader(metrics)], [spans, metrics]


def _direct() -> requests.Session:
    """Takes neither a proxy nor a password from the environment, and goes nowhere that it is redirected to."""
    import requests

    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    return session
