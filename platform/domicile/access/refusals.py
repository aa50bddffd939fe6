"""Failed authentications in the audit log, without letting strangers fill it.

Each one is an event, durable before the caller is told, up to a number per address and minute. Beyond that they are counted,
and the count is an event of its own: the log says how many there were, and a flood costs a few entries a minute.

The action is ``session:create`` for all of them; the event's method says whether it was a key or a session.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import UUID

from domicile.access.gate import Gate
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.principals import AuthenticationMethod
from domicile.ports.clock import Clock

_WINDOW_SECONDS = 60.0
_EACH_PER_ADDRESS = 10
_EACH_IN_ALL = 300


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from. ``address`` is the client's IP address as far as it is trusted, empty if unknown;
    ``purpose`` is a short name, empty if none was given."""

    request_id: str
    trace_id: str
    access_region: str = "unknown"
    address: str = ""
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an authentication failed, in a fixed word; what was presented is known only if it named something real."""

    method: AuthenticationMethod
    reason: str
    resource: str = "credential:unknown"
    tenant_id: UUID | None = None
    credential_id: UUID | None = None


class RefusalLedger:
    def __init__(self, gate: Gate, clock: Clock) -> None:
        self._gate = gate
        self._clock = clock
        self._window = clock.now()
        self._each: Counter[str] = Counter()
        self._uncounted: Counter[tuple[AuthenticationMethod, str]] = Counter()

    async def record(self, refusal: Refusal, origin: Origin) -> None:
        """Raises ``AuditUnavailable``."""
        if (self._clock.now() - self._window).total_seconds() >= _WINDOW_SECONDS:
            self._window = self._clock.now()
            self._each.clear()
            await self.flush()
        if self._each[origin.address] >= _EACH_PER_ADDRESS or self._each.total() >= _EACH_IN_ALL:
            self._uncounted[refusal.method, refusal.reason] += 1
            return
        self._each[origin.address] += 1
        await self._gate.append(self._event(refusal, origin))

    async def flush(self) -> None:
        """Write down what was only counted. Raises ``AuditUnavailable``, and then keeps the counts for the next time."""
        counted, self._uncounted = self._uncounted, Counter()
        nowhere = Origin("", "")
        events = [
            self._event(Refusal(method, reason, "credential:many"), nowhere, attempts)
            for (method, reason), attempts in counted.items()
        ]
        if not events:
            return
        with ExitStack() as undo:
            undo.callback(self._uncounted.update, counted)
            await self._gate.append(*events)
            undo.pop_all()

    def _event(self, refusal: Refusal, origin: Origin, attempts: int | None = None) -> AuditEvent:
        return AuditEvent(
            id=self._clock.new_id(),
            time=self._clock.now(),
            tenant_id=refusal.tenant_id,
            principal_id=None,
            credential_id=refusal.credential_id,
            method=refusal.method.value,
            access_region=origin.access_region,
            action=Action.SESSION_CREATE,
            resource=refusal.resource,
            outcome=Outcome.DENIED,
            reason=refusal.reason,
            request_id=origin.request_id,
            trace_id=origin.trace_id,
            detail=() if attempts is None else (("attempts", attempts),),
        )
