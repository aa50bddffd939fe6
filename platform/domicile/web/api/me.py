"""``/v1/me``: who the credential belongs to."""

from __future__ import annotations

from litestar import get

from domicile.domain.actions import Action
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who
from domicile.web.schemas import MeOut, me_out


@get("/me", summary="Who am I", tags=["identity"], responses=problems(), opt=decides(Action.SESSION_READ))
async def me(visitor: Who, cell: Here) -> MeOut:
    """The principal and tenant of the credential, and what the credential is narrowed to."""
    return me_out(await cell.identity.describe(visitor.caller), cell.region.name)
