"""The times that ``domicile policy replay`` takes, and what it says of what cannot be replayed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domicile.access.recorded import Unreplayable
from domicile.cli.replay import _SKIPPED, _moment, _period
from domicile.domain.errors import CallerError

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("12h", NOW - timedelta(hours=12)),
        ("30d", NOW - timedelta(days=30)),
        ("4w", NOW - timedelta(weeks=4)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T12:00Z", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("2026-11-01T13:00+01:00", datetime(2026, 11, 1, 12, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_day_a_time_or_so_long_ago(text: str, moment: datetime) -> None:
    """In UTC where no zone is given."""
    assert _moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "-3d", "3", "3y", "999999w", "2026-13-01"])
def test_anything_else_is_no_moment(text: str) -> None:
    """Said with the forms that there are."""
    with pytest.raises(CallerError, match="is no time"):
        _moment(text, NOW)


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    """An empty list would look like a change that changes nothing."""
    with pytest.raises(CallerError):
        _period("1d", "2d")


def test_every_reason_why_something_is_not_replayed_has_words() -> None:
    """None is left out in silence."""
    assert set(_SKIPPED) == set(Unreplayable)
