"""The ``JobQueue`` port over DBOS: jobs are durable workflows, in a SQLite file or a PostgreSQL schema of their own.

DBOS keeps what it is given in clear, so it is given two ids. Its own retries, steps and results are not used: a job's state is
in our database, which makes every run of a handler resume where the last one ended.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from domicile.adapters.jobs.lease import WorkerLease
from domicile.adapters.jobs.retrying import Handler, RetryingHandler, abandon_nothing
from domicile.domain.errors import ConfigurationError, DatabaseUnavailable
from domicile.ports.tls import TlsFiles

if TYPE_CHECKING:
    from dbos import DBOSClient

_QUEUE = "ingest"
_WORKFLOW = "domicile.ingest"
_APPLICATION = "domicile"
#: The same for every release, so that a new one takes up what an older one left. A handler's job is only a pair of ids.
_VERSION = "1"
#: Connections to the queue's database: one for each poller, the rest for what is running.
_CONNECTIONS = 5


_log = structlog.get_logger("domicile.jobs")


class _Interrupted(BaseException):
    """Leaves a workflow unfinished, to be recovered: DBOS records the end of one that returns or raises an ``Exception``."""


class DbosJobQueue:
    """Enqueues jobs and, once started with a handler, runs them on the event loop that started it.

    ``url`` is ``sqlite+aiosqlite:///PATH`` or ``postgresql+asyncpg://USER@HOST/NAME``, as for the database. ``concurrency``
    jobs run at once in this process, and never two of one tenant anywhere: those follow one another as they were enqueued (of
    equal times, by their ids, which ascend). ``executor_id`` names this process among several. It takes up at once what a
    process of its name left, and on PostgreSQL also what others left that are found dead twice, ``watch_seconds`` apart. One
    queue a process.
    """

    def __init__(
        self,
        url: str,
        *,
        password: str = "",
        tls: TlsFiles | None = None,
        executor_id: str = "local",
        concurrency: int = 2,
        polling_seconds: float = 0.15,
        watch_seconds: float = 10.0,
    ) -> None:
        self._url = _synchronous(url, password, tls)
        self._executor_id = executor_id
        self._concurrency = concurrency
        self._polling_seconds = polling_seconds
        self._watch_seconds = watch_seconds
        self._watching: asyncio.Task[None] | None = None
        self._client: DBOSClient | None = None
        self._handler: RetryingHandler | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def start(self, handler: Handler | None = None, give_up: Handler = abandon_nothing) -> None:
        """Begin to run jobs with ``handler``; without one this process only enqueues. Raises ``DatabaseUnavailable``.

        ``give_up`` settles a job whose handler keeps failing for no fault of a dependency.
        """
        self._loop = asyncio.get_running_loop()
        self._handler = RetryingHandler(handler, give_up) if handler else None
        try:
            await self._in_thread(self._launch)
        except DatabaseUnavailable:
            await self.stop()
            raise
        if handler is not None and self._url.startswith("postgresql"):
            self._watching = asyncio.create_task(self._watch(WorkerLease(self._url, self._executor_id)))

    async def enqueue(self, job_id: UUID, tenant_id: UUID) -> None:
        client = self._client
        if client is None:
            raise DatabaseUnavailable("The job queue has not been started.")
        await self._in_thread(self._enqueue, client, job_id, tenant_id)

    async def stop(self) -> None:
        """Interrupt what is running, which stays queued for the next start."""
        self._handler, interrupted = None, [*self._running, *([self._watching] if self._watching else [])]
        for task in interrupted:
            task.cancel()
        await asyncio.gather(*interrupted, return_exceptions=True)
        client, self._client = self._client, None
        if self._loop is not None:
            self._loop = None
            await asyncio.to_thread(self._shut_down, client)

    @staticmethod
    async def _in_thread(call: Any, *arguments: Any) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            await asyncio.to_thread(call, *arguments)
        except SQLAlchemyError:
            raise DatabaseUnavailable("The job queue's database is not available.") from None

    def _launch(self) -> None:
        _quieten()
        from dbos import DBOS, DBOSClient

        if self._handler is None:
            DBOS.migrate(self._url)
        else:
            self._run_workflows()
        self._client = DBOSClient(system_database_url=self._url, application_name=_APPLICATION, retry_connection_errors=False)

    def _run_workflows(self) -> None:
        from dbos import DBOS, DBOSConfig

        config: DBOSConfig = {
            "name": _APPLICATION,
            "system_database_url": self._url,
            "sys_db_pool_size": _CONNECTIONS,
            "application_version": _VERSION,
            "executor_id": self._executor_id,
            "log_level": "WARNING",
            "enable_otlp": False,
        }
        DBOS(config=config)

        @DBOS.workflow(name=_WORKFLOW)
        def ingest(job_id: str, tenant_id: str) -> None:
            self._carry_out(job_id, tenant_id)

        DBOS.listen_queues([_QUEUE])
        DBOS.launch()
        DBOS.register_queue(
            _QUEUE,
            worker_concurrency=self._concurrency,
            partition_concurrency=1,
            polling_interval_sec=self._polling_seconds,
            on_conflict="always_update",
        )

    def _carry_out(self, job_id: str, tenant_id: str) -> None:
        """The workflow's body, in a thread of DBOS: hands over to the event loop and waits."""
        handler, loop = self._handler, self._loop
        if handler is None or loop is None:
            raise _Interrupted
        try:
            asyncio.run_coroutine_threadsafe(self._run(handler, UUID(job_id), UUID(tenant_id)), loop).result()
        except CancelledError:
            raise _Interrupted from None

    async def _run(self, handler: RetryingHandler, job_id: UUID, tenant_id: UUID) -> None:
        task = asyncio.create_task(handler(job_id, tenant_id))
        self._running.add(task)
        try:
            await task
        finally:
            self._running.discard(task)

    async def _watch(self, lease: WorkerLease) -> None:
        """Keep this worker's lease, and take up the jobs of workers that have lost theirs.

        Twice, because a database that was restarted has forgotten every lease until each worker has renewed its own.
        """
        suspected: set[str] = set()
        try:
            while True:
                try:
                    suspected = await asyncio.to_thread(self._take_over, lease, suspected)
                except DatabaseUnavailable as error:
                    suspected = set()
                    _log.warning("workers cannot be watched", error=error.slug)
                await asyncio.sleep(self._watch_seconds)
        finally:
            await asyncio.to_thread(lease.close)

    def _take_over(self, lease: WorkerLease, suspected: set[str]) -> set[str]:
        """Give the names of workers that look dead for the first time."""
        from dbos import DBOS
        from sqlalchemy.exc import SQLAlchemyError

        try:
            lease.renew()
            under_way = DBOS.list_workflows(status="PENDING", name=_WORKFLOW, load_input=False, load_output=False)
            others = {each.executor_id for each in under_way if each.executor_id not in {None, self._executor_id}}
            dead = {name for name in others if name and lease.is_dead(name)}
            if confirmed := sorted(dead & suspected):
                DBOS._recover_pending_workflows(confirmed)  # noqa: SLF001  # DBOS offers it to its own supervisor only.
        except SQLAlchemyError:
            lease.close()
            raise DatabaseUnavailable() from None
        return dead - suspected

    @staticmethod
    def _enqueue(client: DBOSClient, job_id: UUID, tenant_id: UUID) -> None:
        from dbos import EnqueueOptions, WorkflowSerializationFormat

        options: EnqueueOptions = {
            "queue_name": _QUEUE,
            "workflow_name": _WORKFLOW,
            "workflow_id": str(job_id),
            "queue_partition_key": str(tenant_id),
            "app_version": _VERSION,
            "serialization_type": WorkflowSerializationFormat.PORTABLE,  # JSON: a pickle would run what somebody wrote there.
        }
        client.enqueue(options, str(job_id), str(tenant_id))

    @staticmethod
    def _shut_down(client: DBOSClient | None) -> None:
        from dbos import DBOS

        DBOS.destroy(destroy_registry=True)
        if client is not None:
            client.destroy()


def _synchronous(url: str, password: str, tls: TlsFiles | None) -> str:
    """The address as DBOS takes it, which has its own drivers. Raises ``ConfigurationError``.

    What is said of TLS goes before PGSSLMODE and the like (PostgreSQL's manual, section 34.1.2).
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        address = make_url(url)
    except ArgumentError:
        raise ConfigurationError("The job queue's database URL is not valid.") from None
    backend = address.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise ConfigurationError("The job queue keeps its state in SQLite or PostgreSQL.")
    if password:
        address = address.set(password=password)
    if tls:
        named = {"sslrootcert": tls.authorities, "sslcert": tls.certificate, "sslkey": tls.key}
        query = {name: value for name, value in named.items() if value}
        address = address.update_query_dict({"sslmode": "verify-full", "ssl_min_protocol_version": "TLSv1.2", **query})
    return address.set(drivername=backend).render_as_string(hide_password=False)


def _quieten() -> None:
    """Send DBOS's records through the cell's own logging, which keeps where they come from and drops what they say."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
