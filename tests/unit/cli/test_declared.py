"""Every command says what it decides."""

from __future__ import annotations

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from domicile.cli.declared import decides, decides_nothing, declared
from domicile.cli.main import app
from domicile.domain.actions import Action


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> dict[str, object]:
    """Every command of the tree by its words, with the function behind it."""
    found: dict[str, object] = {}
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            found |= commands(command, (*path, name))
        else:
            found[" ".join((*path, name))] = getattr(command.callback, "__wrapped__", command.callback)
    return found


def tree() -> dict[str, object]:
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    return commands(root)


def test_every_command_declares_its_actions_or_says_why_there_are_none() -> None:
    """A new command that says neither fails here."""
    undeclared = [name for name, function in tree().items() if declared(function) is None]  # type: ignore[arg-type]
    assert undeclared == []
    assert {"ask", "tenant list", "db upgrade"} <= set(tree())


def test_what_reaches_a_tenants_data_decides_something() -> None:
    """Whoever opens a cell, or talks to one, is not among those that decide nothing."""
    harmless = {name for name, function in tree().items() if isinstance(declared(function), str)}  # type: ignore[arg-type]
    assert harmless.isdisjoint({"ask", "search", "ingest", "audit show", "tenant list", "user list", "apikey list", "demo"})


@pytest.mark.parametrize(
    ("decorated", "expected"),
    [
        (decides(Action.AUDIT_READ)(lambda: None), (Action.AUDIT_READ,)),
        (decides_nothing("It is a joke.")(lambda: None), "It is a joke."),
        (lambda: None, None),
        (decides()(lambda: None), None),
    ],
)
def test_a_declaration_is_read_back(decorated: object, expected: object) -> None:
    """Naming no action is no declaration."""
    assert declared(decorated) == expected  # type: ignore[arg-type]
    assert typer.Typer().command("x")(decorated) is decorated  # type: ignore[arg-type]  # registering keeps it
