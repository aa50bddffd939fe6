"""What nearly every handler is given: who is calling, and the cell."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from domicile.web.authentication import Visitor
from domicile.web.cell import ServedCell

Who = NamedDependency[SkipValidation[Visitor]]
Here = NamedDependency[SkipValidation[ServedCell]]


def _visitor(request: Request[Any, Any, Any]) -> SkipValidation[Visitor]:
    visitor: Visitor = request.scope["user"]
    return visitor


def _cell(request: Request[Any, Any, Any]) -> SkipValidation[ServedCell]:
    cell: ServedCell = request.app.state.cell
    return cell


PROVIDED = {"visitor": Provide(_visitor, sync_to_thread=False), "cell": Provide(_cell, sync_to_thread=False)}
