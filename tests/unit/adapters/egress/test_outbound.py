"""The one way out."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from domicile.adapters.egress.guard import EgressGuard, EgressRefused
from domicile.adapters.egress.outbound import Outbound
from domicile.domain.errors import ConfigurationError

ADDRESSES = {"vector-index": ("http://10.0.0.7:6333", "grpc://10.0.0.7:6334"), "model": ("http://10.0.0.8:30000/v1",)}


def reached(guard: EgressGuard, host: str, port: int) -> bool:
    with closing(socket.socket()) as used:
        try:
            guard.check("socket.connect", (used, (host, port)))
        except EgressRefused:
            return False
    return True


def test_an_address_is_reached_only_once_somebody_asked_for_it() -> None:
    """Declaring alone opens nothing; asking opens what that component's client needs, and no other component."""
    guard = EgressGuard()
    outbound = Outbound(ADDRESSES, guard)
    assert not reached(guard, "10.0.0.7", 6334)
    assert outbound.way_to("vector-index") == "http://10.0.0.7:6333"
    assert reached(guard, "10.0.0.7", 6333)
    assert reached(guard, "10.0.0.7", 6334)
    assert not reached(guard, "10.0.0.8", 30000)


def test_what_is_not_declared_has_no_address() -> None:
    """Not an empty one either, which a library would fill in by itself."""
    with pytest.raises(ConfigurationError, match="telemetry"):
        Outbound(ADDRESSES, EgressGuard()).way_to("telemetry")


def test_the_service_may_see_whether_it_answers_itself() -> None:
    """On its own address and port only."""
    guard = EgressGuard()
    Outbound({}, guard).permit_own("127.0.0.1", 8000)
    assert reached(guard, "127.0.0.1", 8000)
    assert not reached(guard, "127.0.0.1", 8001)
