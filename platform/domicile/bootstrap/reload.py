"""Putting other platform policies in force while the cell runs.

Obligations, labelled where they are met:

1. The new policies are checked as they are at a start, signature and residency included, before anything of them is in force.
2. If anything is wrong with them, those of before stay in force, and the log and the audit log say why.
3. The change is in the audit log before it is in force.
4. They are in force for all tenants at the same moment, and no request waits for them or fails because of them.
"""

from __future__ import annotations

import asyncio

import structlog

from domicile.access.gate import Gate
from domicile.access.inforce import PoliciesInForce, PolicyRefresh
from domicile.audit.events import AuditEvent, Outcome
from domicile.bootstrap.office import decision_point
from domicile.bootstrap.residency import check_residency
from domicile.config import Settings
from domicile.domain.actions import Action
from domicile.domain.errors import DomicileError, PolicyInvalid
from domicile.policy.bundle import PolicyBundle
from domicile.ports.clock import Clock


class PlatformReload:
    """Reads the folder of the settings again whenever it is asked to."""

    def __init__(self, settings: Settings, in_force: PoliciesInForce, refresh: PolicyRefresh, gate: Gate, clock: Clock) -> None:
        self._settings = settings
        self._in_force = in_force
        self._refresh = refresh
        self._gate = gate
        self._clock = clock
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Reload soon, once however often this is called meanwhile; to be called from a signal's handler."""
        self._asked.set()

    async def keep_listening(self) -> None:
        """Reload whenever asked, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self.reload()

    async def reload(self) -> bool:
        """Whether the folder's policies are in force now. Never raises: what is wrong is logged and audited."""
        log = structlog.get_logger("domicile.policy")
        try:
            bundle = await asyncio.to_thread(self._checked)  # (1)
            await self._gate.append(self._event(Outcome.PERMITTED, after=bundle.digest))  # (3)
        except (DomicileError, ValueError, RecursionError) as error:  # the last two: what Cedar cannot read
            await self._refused(error)
            return False
        await self._refresh.replace_platform(bundle)  # (4)
        log.info("the platform's policies are reloaded", bundle_digest=bundle.digest)
        return True

    def _checked(self) -> PolicyBundle:
        decisions = decision_point(self._settings)
        check_residency(self._settings, decisions, self._clock)
        return decisions.bundle

    async def _refused(self, error: Exception) -> None:
        """(2)"""
        slug = error.slug if isinstance(error, DomicileError) else PolicyInvalid.slug
        policy = str(error.members.get("policy", "")) if isinstance(error, DomicileError) else ""
        log = structlog.get_logger("domicile.policy")
        log.error("the policies stay as they were; 'domicile policy check' says what is wrong", error=slug, policy=policy)
        try:
            await self._gate.append(self._event(Outcome.FAILED, reason=slug, policy=policy))
        except DomicileError as unavailable:
            log.warning("that the policies could not be reloaded is not in the audit log", error=unavailable.slug)

    def _event(self, outcome: Outcome, *, reason: str = "", **detail: str) -> AuditEvent:
        return self._gate.cell_event(
            Action.POLICY_WRITE,
            "policies:platform",
            outcome,
            bundle_digest=self._in_force.platform.bundle.digest,
            reason=reason,
            detail=tuple((name, value) for name, value in detail.items() if value),
        )
