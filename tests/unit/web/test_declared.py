"""Every operation says what it decides."""

from __future__ import annotations

import pytest
from litestar import Litestar, get
from tests.fakes.cell import MemoryCell, client

from domicile.domain.actions import Action
from domicile.domain.errors import ConfigurationError
from domicile.web.authentication import PUBLIC
from domicile.web.declared import EXTENSION, decides, operations, require_declared


async def test_every_operation_of_the_document_names_its_actions_or_is_public(cell: MemoryCell) -> None:
    """An integrator reads there what a key has to be granted for; a name is one of the actions that policies know."""
    document = (await client(cell, None).get("/v1/openapi.json")).json()
    told = {
        (method.upper(), path): operation[EXTENSION]
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert len(told) > 15
    assert {key for key, actions in told.items() if not actions} <= PUBLIC
    assert {action for actions in told.values() for action in actions} <= set(Action)


def test_every_page_and_every_undocumented_route_declares_too(cell: MemoryCell) -> None:
    """Whatever is served is declared, whether the document shows it or not; nothing public decides anything."""
    served = list(operations(cell.app))
    assert {(each.method, each.path) for each in served if not each.actions} <= PUBLIC
    assert not [each for each in served if each.actions and (each.method, each.path) in PUBLIC]
    assert {"/", "/documents/{document_id}"} <= {each.path for each in served}


def test_a_route_without_a_declaration_is_not_served() -> None:
    """Forgetting it stops the start, and naming an action lets it pass."""

    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> None: ...

    @get("/declared", opt=decides(Action.AUDIT_READ), sync_to_thread=False)
    def declared() -> None: ...

    require_declared(Litestar([declared], openapi_config=None))
    with pytest.raises(ConfigurationError, match="GET /forgotten declares no action"):
        require_declared(Litestar([declared, forgotten], openapi_config=None))
