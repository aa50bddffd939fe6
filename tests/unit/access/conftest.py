"""A small cell with the shipped policies, for authentication and administration."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from tests.fakes.accounts import MemoryAccounts
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.clock import FixedClock
from tests.fakes.identity import PlainHasher
from tests.fakes.keys import MemoryKeyRing
from tests.fakes.policy import shipped_in_force

from domicile.access.administration import Administration
from domicile.access.gate import Gate
from domicile.access.identity import Identity, Origin
from domicile.access.profiles import Profiles
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.principals import Caller, Principal, Tenant
from domicile.domain.values import Classification, Region, Role

PASSWORD = "correct horse battery"


@dataclass
class Cell:
    database: MemoryAccounts = field(default_factory=MemoryAccounts)
    log: MemoryAuditLog = field(default_factory=MemoryAuditLog)
    clock: FixedClock = field(default_factory=FixedClock)
    hasher: PlainHasher = field(default_factory=PlainHasher)
    keys: MemoryKeyRing = field(default_factory=MemoryKeyRing)

    def __post_init__(self) -> None:
        self.gate = Gate(shipped_in_force(), self.log, self.clock, Region("eu-de"))
        self.profiles = Profiles(keys=self.keys, clock=self.clock, region=Region("eu-de"))
        self.parts = {
            "database": self.database,
            "hasher": self.hasher,
            "gate": self.gate,
            "clock": self.clock,
            "profiles": self.profiles,
        }
        self.identity = self.another_process()
        self.administration = Administration(**self.parts)

    def another_process(self) -> Identity:
        return Identity(**self.parts)

    def wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def refusals(self) -> list[AuditEvent]:
        return [event for event in self.log.events if event.outcome is Outcome.DENIED]

    async def tenant(self, slug: str = "acme") -> Tenant:
        return await self.administration.create_tenant(slug, slug.title(), Region("eu-de"))

    async def person(self, tenant: Tenant, login: str = "mia", role: Role = Role.MEMBER) -> Principal:
        operator = self.administration.operator_caller(tenant)
        return await self.administration.create_user(
            operator, login, login.title(), role, Classification.INTERNAL, password=PASSWORD
        )

    async def signed_in(self, login: str) -> Caller:
        return (await self.identity.sign_in(login, PASSWORD, origin())).caller

    async def key(self, person: Principal, tenant: Tenant, **grant: object) -> str:
        operator = self.administration.operator_caller(tenant)
        return (await self.administration.create_api_key(operator, person.id, "laptop", **grant))[1]


def origin(address: str = "192.0.2.7") -> Origin:
    return Origin("request-1", "trace-1", "eu-de", address)


@pytest.fixture
def cell() -> Cell:
    return Cell()
