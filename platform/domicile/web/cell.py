"""What the web room needs of a cell: the composition root gives one, tests build smaller ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from domicile.access.explain import Explanations
from domicile.access.identity import Identity
from domicile.access.journal import Journal
from domicile.access.places import Places
from domicile.access.policies import TenantPolicyBook
from domicile.access.residency import Inventory
from domicile.access.signposts import Signposts
from domicile.access.transfers import TransferRegister
from domicile.answers.conversations import Conversations
from domicile.answers.portable import Talk
from domicile.answers.service import Answers
from domicile.domain.values import Region
from domicile.ingestion.intake import Intake
from domicile.ingestion.progress import Progress
from domicile.ingestion.withdrawal import Withdrawal
from domicile.lifecycle.erasures import ErasureBook
from domicile.lifecycle.export import Exports
from domicile.lifecycle.holds import LegalHolds
from domicile.lifecycle.importing import Imports
from domicile.lifecycle.reencryption import Reencryption
from domicile.lifecycle.retention import RetentionBook
from domicile.lifecycle.rotation import Rotation
from domicile.ports.repositories import Database
from domicile.ports.telemetry import Telemetry
from domicile.retrieval.library import Library
from domicile.retrieval.search import Search


class ServedSettings(Protocol):
    """The settings that are about serving; units as in the configuration."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def secure_cookies(self) -> bool: ...
    @property
    def allowed_hosts(self) -> tuple[str, ...]: ...
    @property
    def max_document_bytes(self) -> int: ...
    @property
    def max_documents_per_request(self) -> int: ...
    @property
    def max_bundle_bytes(self) -> int: ...
    @property
    def session_minutes(self) -> int: ...


class ServedTelemetry(Telemetry, Protocol):
    def render_metrics(self) -> bytes:
        """The Prometheus text format: names, numbers and fixed labels only."""
        ...


class ServedCell(Protocol):
    """Use cases, each of which decides and audits for itself, and the few ports that the edge needs."""

    @property
    def settings(self) -> ServedSettings: ...
    @property
    def region(self) -> Region: ...
    @property
    def telemetry(self) -> ServedTelemetry: ...
    @property
    def identity(self) -> Identity: ...
    @property
    def intake(self) -> Intake: ...
    @property
    def progress(self) -> Progress: ...
    @property
    def withdrawal(self) -> Withdrawal: ...
    @property
    def search(self) -> Search: ...
    @property
    def library(self) -> Library: ...
    @property
    def answers(self) -> Answers: ...
    @property
    def conversations(self) -> Conversations: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def explanations(self) -> Explanations: ...
    @property
    def inventory(self) -> Inventory: ...
    @property
    def policies(self) -> TenantPolicyBook: ...
    @property
    def places(self) -> Places: ...
    @property
    def signposts(self) -> Signposts: ...
    @property
    def transfers(self) -> TransferRegister: ...
    @property
    def exports(self) -> Exports[Talk]: ...
    @property
    def imports(self) -> Imports: ...
    @property
    def rotation(self) -> Rotation: ...
    @property
    def reencryption(self) -> Reencryption: ...
    @property
    def holds(self) -> LegalHolds: ...
    @property
    def erasures(self) -> ErasureBook: ...
    @property
    def retention(self) -> RetentionBook: ...
    @property
    def database(self) -> Database: ...

    @property
    def health(self) -> Callable[[], Awaitable[dict[str, str]]]:
        """Each component with ``ok``, or with the slug of what is wrong with it."""
        ...
