"""PostgreSQL behind SQLAlchemy, over asyncpg's prepared statements."""

from __future__ import annotations

from ssl import SSLContext

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

#: Connections kept, and how many more may be opened at a peak. A server allows 100 to all its clients unless told otherwise.
CONNECTIONS = 8
CONNECTIONS_AT_PEAK = 16
#: Seconds to a connection, and seconds that a statement may take before it is given up.
_CONNECT_SECONDS = 10
_STATEMENT_SECONDS = 30


def writing_engine(url: URL, tls: SSLContext | None = None) -> AsyncEngine:
    """With ``tls`` a server that does not speak it, or is not whom it should be, is refused."""
    return create_async_engine(
        url,
        pool_size=CONNECTIONS,
        max_overflow=CONNECTIONS_AT_PEAK,
        # A connection that the server or a firewall has dropped is noticed before it is used.
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            **({"ssl": tls} if tls else {}),
            "timeout": _CONNECT_SECONDS,
            "command_timeout": _STATEMENT_SECONDS,
            # Short statements only: compiling them to machine code costs more than running them.
            "server_settings": {"application_name": "domicile", "jit": "off"},
        },
    )


def reading_engine(writing: AsyncEngine) -> AsyncEngine:
    """The same connections, in transactions that see one moment and cannot write."""
    return writing.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
