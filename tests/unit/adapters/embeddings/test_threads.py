"""How torch waits for its threads."""

from __future__ import annotations

import os

from domicile.adapters.embeddings.threads import PATIENT, processors, wait_patiently


def test_waiting_patiently_is_set_for_this_process(monkeypatch):
    """Every setting is in the environment before torch reads it there."""
    for name in PATIENT:
        monkeypatch.setenv(name, "other")
    wait_patiently()
    assert {name: os.environ[name] for name in PATIENT} == PATIENT


def test_only_processors_that_may_be_used_are_counted():
    """A process that is bound to one processor counts one."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert processors() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert processors() == len(allowed)
