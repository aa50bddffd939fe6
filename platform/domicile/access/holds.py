"""What whoever ends content owes a legal hold.

Obligations, labelled where they are met; the first two are the use case's own:

1. What is held is asked in the very transaction that ends content (``unit.holds``): a hold placed at that moment counts.
2. If it is held, that transaction changes nothing.
3. The attempt is recorded, permitted and failed, before it is told.
4. Which matter it is held for is told to those who may read holds, and to nobody else.
"""

from __future__ import annotations

from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.errors import LegalHold
from domicile.domain.holds import Hold
from domicile.domain.principals import Caller
from domicile.policy.request import Decision, Resource, TenantResource


async def held(gate: Gate, caller: Caller, action: Action, resource: Resource, decision: Decision, hold: Hold) -> LegalHold:
    """The error for what policy permits and the hold forbids, once the attempt is recorded."""
    documents = (resource.document_id,) if isinstance(resource, DocumentAttributes) else ()
    await gate.record(  # (3)
        caller,
        action,
        resource,
        Outcome.FAILED,
        decision,
        documents=documents,
        reason=LegalHold.slug,
        detail=(("hold", str(hold.id)),),
    )
    return told(gate, caller, hold)


def told(gate: Gate, caller: Caller, hold: Hold) -> LegalHold:
    """(4) The error, with the reference for those who may know it."""
    (may_know,) = gate.decide_each(caller, Action.HOLD_READ, [TenantResource(caller.tenant.id)])
    return LegalHold(hold=str(hold.id), reference=hold.reference) if may_know.allowed else LegalHold()
