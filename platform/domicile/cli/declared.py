"""Which actions each command has decided, by the service that it talks to or by the cell that it opens.

A test walks the commands and fails for one that says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from domicile.domain.actions import Action

Command = TypeVar("Command", bound=Callable[..., Any])

_ACTIONS = "__decides__"
_REASON = "__decides_nothing__"


def decides(*actions: Action) -> Callable[[Command], Command]:
    """The actions that the decision point is asked about, the first one first."""
    return _noting(_ACTIONS, actions)


def decides_nothing(reason: str) -> Callable[[Command], Command]:
    """For commands that reach no tenant's data; the reason says how that is so."""
    return _noting(_REASON, reason)


def declared(command: Callable[..., Any]) -> tuple[Action, ...] | str | None:
    """The actions, or the reason why there are none; None if nobody said either."""
    actions: tuple[Action, ...] | None = getattr(command, _ACTIONS, None)
    return actions or getattr(command, _REASON, None)


def _noting(name: str, value: object) -> Callable[[Command], Command]:
    def note(command: Command) -> Command:
        setattr(command, name, value)
        return command

    return note
