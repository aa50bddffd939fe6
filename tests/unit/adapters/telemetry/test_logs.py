"""Log lines are JSON with an allow-list of keys; what a library says is not repeated."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from domicile.adapters.telemetry.logs import configure_logs

CONTENT = "the salary of grade G6 is 84,000"


@pytest.fixture
def _restored() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    yield
    logging.getLogger().handlers = handlers
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("_restored")
def test_a_line_carries_request_and_trace_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """An attribute that is not on the allow-list is dropped, whatever it holds."""
    configure_logs("info")
    with structlog.contextvars.bound_contextvars(request_id="r-1", trace_id="t-1"):
        structlog.get_logger().info("search done", question=CONTENT, status=200)
    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp")
    assert line == {"event": "search done", "level": "info", "request_id": "r-1", "trace_id": "t-1", "status": 200}


@pytest.mark.usefixtures("_restored")
def test_a_library_s_message_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    """Only where it came from and what kind of error it was: its text may hold anything."""
    configure_logs("info")
    error = ValueError(CONTENT)
    logging.getLogger("some.library").error("could not handle %s", CONTENT, exc_info=error)
    said = capsys.readouterr().err
    assert CONTENT not in said
    assert json.loads(said)["error"] == "ValueError"
