"""A tenant's own policies: reading them and their history, trying a text, and writing a version.

Obligations, labelled where they are met:

1. Reading needs ``policy:read``, and everything else ``policy:write``; neither is anything that a tenant's policies decide.
2. A text is checked as a whole before it is stored, against the platform's policies that are in force.
3. A version is stored together with its audit event, which names the digests of what decided before and of what decides now.
4. Nobody overwrites what they have not seen: a version follows the one that its writer names, or it is refused.
5. What was written is in force in this process when its writer is told, and in every other one within two seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from domicile.access.gate import Gate
from domicile.access.inforce import PoliciesInForce, PolicyRefresh
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import (
    CallerError,
    DependencyError,
    InvalidText,
    NotFound,
    PolicyChanged,
    PolicyInvalid,
    TenantPolicyInvalid,
)
from domicile.domain.policies import PolicyVersion, WrittenPolicies
from domicile.domain.principals import Caller
from domicile.domain.values import clean_text
from domicile.policy.bundle import PolicyBundle
from domicile.policy.explanation import PolicyText, texts
from domicile.policy.request import Decision, TenantResource
from domicile.policy.tenant import PREFIX
from domicile.ports.clock import Clock
from domicile.ports.repositories import Database

#: Versions that a history shows at most, the newest ones.
LONGEST_HISTORY = 200
#: The databases' INTEGER ends here.
_LAST_VERSION = 2**31 - 1
#: Characters of what Cedar says is wrong: it may quote all of a text.
_LONGEST_REASON = 400


@dataclass(frozen=True, slots=True)
class PoliciesView:
    """What decides for a tenant. ``version`` is the one of its own policies, 0 if it never had any, and ``text`` is theirs.

    ``in_force`` is False for a text that is only tried, and for a stored one that does not fit the platform's policies.
    """

    bundle_digest: str
    version: int
    in_force: bool
    platform: tuple[PolicyText, ...]
    tenant: tuple[PolicyText, ...]
    text: str


class TenantPolicyBook:
    """All raise ``Forbidden`` as the gate does."""

    def __init__(
        self, *, database: Database, gate: Gate, in_force: PoliciesInForce, refresh: PolicyRefresh, clock: Clock
    ) -> None:
        self._database = database
        self._gate = gate
        self._in_force = in_force
        self._refresh = refresh
        self._clock = clock

    async def read(self, caller: Caller) -> PoliciesView:
        """The platform's policies and the tenant's, as they are in force."""
        await self._refresh.refresh()
        decision = await self._require(caller, Action.POLICY_READ)  # (1)
        await self._record(caller, Action.POLICY_READ, Outcome.PERMITTED, decision)
        layer = self._in_force.layers.get(caller.tenant.id)
        if layer is None:
            return _view(self._in_force.platform.bundle, 0, "")
        return _view(layer.decisions.bundle, layer.written.version, layer.written.text, in_force=layer.fits)

    async def history(self, caller: Caller) -> Sequence[PolicyVersion]:
        """The versions of the tenant's own policies, the newest first."""
        decision = await self._require(caller, Action.POLICY_READ)  # (1)
        async with self._database.reading() as unit:
            found = await unit.policies.history(caller.tenant.id, LONGEST_HISTORY)
        await self._record(caller, Action.POLICY_READ, Outcome.PERMITTED, decision, listed_versions=len(found))
        return found

    async def version(self, caller: Caller, version: int) -> WrittenPolicies:
        """That version with its text; raises ``NotFound``."""
        decision = await self._require(caller, Action.POLICY_READ)  # (1)
        found = await self._version(caller, decision, version)
        await self._record(caller, Action.POLICY_READ, Outcome.PERMITTED, decision, version=version)
        return found

    async def propose(self, caller: Caller, text: str) -> PoliciesView:
        """What ``write`` would put in force. Changes nothing; raises ``TenantPolicyInvalid`` and ``InvalidText``."""
        await self._refresh.refresh()
        decision = await self._require(caller, Action.POLICY_WRITE)  # (1)
        bundle = await self._checked(caller, decision, text)
        await self._record(caller, Action.POLICY_WRITE, Outcome.PERMITTED, decision, tried=bundle.digest)
        layer = self._in_force.layers.get(caller.tenant.id)
        return _view(bundle, layer.written.version if layer else 0, text, in_force=False)

    async def write(self, caller: Caller, text: str, expected_version: int) -> PoliciesView:
        """Put the text in force as the version after the one expected (0 if there is none yet).

        To go back to an earlier version, write its text again.

        Raises ``TenantPolicyInvalid``, ``InvalidText``, and ``PolicyChanged`` if that is not the latest version.
        """
        await self._refresh.refresh()
        decision = await self._require(caller, Action.POLICY_WRITE)  # (1)
        if not 0 <= expected_version < _LAST_VERSION:
            raise CallerError("That is no version that could be expected.", hint="It is 0 before the first version.")
        bundle = await self._checked(caller, decision, text)
        version, digest = expected_version + 1, sha256(text.encode()).hexdigest()
        written = WrittenPolicies(caller.tenant.id, version, digest, caller.principal.id, self._clock.now(), text)
        try:
            await self._store(caller, decision, written, bundle)
        except PolicyChanged as changed:
            await self._record(caller, Action.POLICY_WRITE, Outcome.FAILED, decision, reason=changed.slug)
            raise
        with suppress(DependencyError):  # It is stored; who cannot look now does so half a second later.
            await self._refresh.refresh()  # (5)
        return _view(bundle, version, text)

    async def _store(self, caller: Caller, decision: Decision, written: WrittenPolicies, bundle: PolicyBundle) -> None:
        event = self._gate.event(
            caller,
            Action.POLICY_WRITE,
            TenantResource(caller.tenant.id),
            Outcome.PERMITTED,
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
            detail=(
                ("version", written.version),
                ("text", written.digest),
                ("before", decision.bundle_digest),
                ("after", bundle.digest),
            ),
        )
        async with self._database.writing() as unit:  # (3)
            await unit.policies.add(written)  # (4)
            await unit.audit.append(event)
            await unit.commit()

    async def _checked(self, caller: Caller, decision: Decision, text: str) -> PolicyBundle:
        """(2) What would decide with that text."""
        try:
            return await self._refresh.proposed(caller.tenant.id, clean_text(text))
        except InvalidText as error:
            await self._record(caller, Action.POLICY_WRITE, Outcome.FAILED, decision, reason=error.slug)
            raise
        except PolicyInvalid as error:
            slug = TenantPolicyInvalid.slug
            await self._record(caller, Action.POLICY_WRITE, Outcome.FAILED, decision, reason=slug)
            advice = None if error.advice == PolicyInvalid.hint else error.advice
            raise TenantPolicyInvalid(_shortened(str(error)), hint=advice, **error.members) from None

    async def _version(self, caller: Caller, decision: Decision, version: int) -> WrittenPolicies:
        possible = version if 0 < version <= _LAST_VERSION else 0
        try:
            async with self._database.reading() as unit:
                return await unit.policies.get(caller.tenant.id, possible)
        except NotFound:
            await self._record(caller, Action.POLICY_READ, Outcome.DENIED, decision, reason=NotFound.slug)
            raise

    async def _require(self, caller: Caller, action: Action) -> Decision:
        return await self._gate.require(caller, action, TenantResource(caller.tenant.id))

    async def _record(
        self,
        caller: Caller,
        action: Action,
        outcome: Outcome,
        decision: Decision,
        *,
        reason: str = "",
        **detail: str | int,
    ) -> UUID:
        resource = TenantResource(caller.tenant.id)
        return await self._gate.record(caller, action, resource, outcome, decision, reason=reason, detail=tuple(detail.items()))


def _view(bundle: PolicyBundle, version: int, text: str, *, in_force: bool = True) -> PoliciesView:
    written = texts(bundle.sources, bundle.reasons)
    return PoliciesView(
        bundle_digest=bundle.digest,
        version=version,
        in_force=in_force,
        platform=tuple(each for each in written if not each.id.startswith(PREFIX)),
        tenant=tuple(each for each in written if each.id.startswith(PREFIX)),
        text=text,
    )


def _shortened(reason: str) -> str:
    return reason if len(reason) <= _LONGEST_REASON else reason[:_LONGEST_REASON] + "…"
