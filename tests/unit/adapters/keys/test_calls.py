"""Blocking calls: bounded in time, in threads of their own, and with nothing of their errors left."""

from __future__ import annotations

import threading
import time

import pytest

from domicile.adapters.keys.calls import BlockingCalls, translated, unavailable
from domicile.domain.errors import KeyProviderUnavailable


async def test_a_call_that_takes_too_long_is_given_up() -> None:
    """In time, and those that waited behind it never run."""
    calls, stop, ran = BlockingCalls(threads=1, seconds=0.1), threading.Event(), []
    started = time.monotonic()
    with pytest.raises(KeyProviderUnavailable, match="'acme' did not answer in time") as caught:
        await calls.run("acme", lambda: stop.wait(5))
    with pytest.raises(KeyProviderUnavailable):
        await calls.run("acme", lambda: ran.append(1))
    assert time.monotonic() - started < 2
    assert caught.value.__context__ is None
    stop.set()
    assert await calls.run("acme", lambda: "answer") == "answer"
    assert ran == []
    calls.close()


async def test_a_closed_one_makes_no_calls() -> None:
    """Also none that would start a thread again."""
    calls = BlockingCalls(threads=1)
    calls.close()
    with pytest.raises(KeyProviderUnavailable, match="closed"):
        await calls.run("acme", lambda: "answer")


def test_a_translated_error_has_no_other_behind_it() -> None:
    """A client's error holds the request with its credentials, which a log of the whole chain would show."""

    def call() -> None:
        raise LookupError("token=hvs.secret")

    def asks_again(_error: Exception) -> Exception:
        raise unavailable("acme", "cannot be reached")

    for translate in (lambda _: unavailable("acme", "cannot be reached"), asks_again):
        with pytest.raises(KeyProviderUnavailable) as caught:
            translated(call, LookupError, translate)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
    assert translated(lambda: 3, LookupError, lambda _: unavailable("acme", "x")) == 3
