"""structlog as JSON lines on standard error, with request and trace id, and only the keys on the allow-list."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from domicile.adapters.telemetry.allowlist import LOG_KEYS
from domicile.domain.errors import ConfigurationError

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(level: str) -> None:
    """Set up structlog and send the standard library's records the same way. Levels: debug, info, warning, error.

    Raises ``ConfigurationError`` for another one.
    """
    if level not in _LEVELS:
        raise ConfigurationError("The log level is none of debug, info, warning and error.", hint="Correct DOMICILE_LOG_LEVEL.")
    threshold = _LEVELS[level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_allowed_keys,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_LibraryHandler()]
    root.setLevel(max(threshold, logging.WARNING))


def _only_allowed_keys(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in event.items() if key in LOG_KEYS}


class _LibraryHandler(logging.Handler):
    """Libraries may put anything into their messages, so only where a record came from is kept, not what it says."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        structlog.get_logger().log(
            record.levelno, "library message", logger=record.name, where=f"{record.module}:{record.lineno}", error=error
        )
