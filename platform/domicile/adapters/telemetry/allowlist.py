"""The attributes that may leave the process in logs, traces and metrics. Whatever is not named here is dropped.

An allow-list, not a filter: a new attribute that might carry content stays out until somebody has thought about it.
"""

from __future__ import annotations

#: Low-cardinality words and numbers: may also label metrics.
METRIC_ATTRIBUTES = frozenset(
    {
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "error.type",
        "domicile.outcome",
        "gen_ai.request.model",
        "gen_ai.token.type",
    }
)

#: Traces may also carry opaque ids and sizes.
SPAN_ATTRIBUTES = METRIC_ATTRIBUTES | {
    "domicile.request_id",
    "domicile.points",
    "domicile.texts",
    "domicile.bytes",
}

#: Keys of a log line. ``event`` is a fixed sentence chosen by the programmer, never built from data.
LOG_KEYS = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "logger",
        "request_id",
        "trace_id",
        "tenant_id",
        "principal_id",
        "job_id",
        "item_id",
        "document_id",
        "version_id",
        "error",
        "where",
        "method",
        "route",
        "status",
        "duration_ms",
        "count",
        "region",
        "component",
        "cell",
        "attempt",
        "host",
        "port",
        "version",
        "policy",
        "bundle_digest",
    }
)
