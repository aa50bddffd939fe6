"""``/v1/receipts/key``: by which key the cell's residency receipts are verified."""

from __future__ import annotations

from litestar import get

from domicile.answers.receipts import PublishedKey
from domicile.web.api.responses import problems
from domicile.web.dependencies import Here


@get("/receipts/key", summary="Get the receipt key", tags=["receipts"], responses=problems(always=(500,)), sync_to_thread=False)
def receipt_key(cell: Here) -> PublishedKey:
    """Public: whoever was given a receipt may verify it. Keep a copy of your own, from when you trusted the cell."""
    return cell.answers.receipts.published
