"""Which service a command talks to."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domicile.adapters.lock.folder import FolderLock, Holder
from domicile.cli import connection


@pytest.mark.parametrize(
    ("listens", "reached"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("https://[::]:8000", "https://[::1]:8000"),
        ("https://10.0.0.1:8000", "https://10.0.0.1:8000"),
    ],
)
def test_the_service_of_this_machine_is_reached_on_it(
    listens: str, reached: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that listens to a proxy on every address is still on this machine, and may be talked to in clear there."""
    monkeypatch.setenv("DOMICILE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DOMICILE_REGION", "eu-de")
    assert connection._running_service() == ""
    lock = FolderLock.acquire(tmp_path, Holder(os.getpid(), "domicile serve", listens, datetime(2026, 1, 2, tzinfo=UTC)))
    assert connection._running_service() == reached
    lock.release()
