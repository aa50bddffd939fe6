"""Where the service listens."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from domicile.domain.errors import ConfigurationError
from domicile.web.server import check_address


def test_a_name_is_no_address_to_listen_on() -> None:
    """The server takes addresses only, and would say so with a native backtrace."""
    with pytest.raises(ConfigurationError, match="DOMICILE_HOST"):
        check_address("localhost", 8000)


def test_a_port_that_is_taken_is_told_in_a_sentence() -> None:
    """With the address and what to do."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=str(port)) as raised:
            check_address("127.0.0.1", port)
    assert "--port" in raised.value.advice
    check_address("127.0.0.1", port)
