"""``/v1/residency``: where every component of this cell is, and which policy allows it."""

from __future__ import annotations

from litestar import get

from domicile.domain.actions import Action
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who
from domicile.web.schemas import ResidencyOut, residency_out


@get(
    "/residency",
    summary="See where data goes",
    tags=["residency"],
    responses=problems(),
    opt=decides(Action.RESIDENCY_READ, Action.ENDPOINT_USE),
)
async def get_residency(visitor: Who, cell: Here) -> ResidencyOut:
    """Every component with its region and what goes there, decided now; for administrators and auditors."""
    return residency_out(await cell.inventory.read(visitor.caller), visitor.caller.access_region)
