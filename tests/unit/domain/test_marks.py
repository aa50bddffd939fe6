"""What may be said of a document, and until when it holds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.domain.errors import CallerError
from domicile.domain.marks import ALWAYS, FOREVER, MOST_LABELS, Validity, label_set, truth

DAY = 86_400
minutes = st.integers(0, FOREVER // 60).map(lambda each: each * 60)
validities = st.lists(minutes, min_size=2, max_size=2, unique=True).map(lambda ends: Validity(*sorted(ends)))


def test_the_last_day_still_counts() -> None:
    """Whoever writes a day means all of it."""
    january = Validity.parse("2026-01-01", "2026-01-31")
    assert january.starts == datetime(2026, 1, 1, tzinfo=UTC)
    assert january.ends == datetime(2026, 2, 1, tzinfo=UTC)
    assert Validity.parse("2026-01-01", "2026-01-01").end - january.start == DAY


def test_a_time_is_taken_as_it_is_written_in_its_own_zone() -> None:
    """It ends at that instant."""
    assert Validity.parse(None, "2026-01-31T18:00+01:00").ends == datetime(2026, 1, 31, 17, tzinfo=UTC)


def test_a_side_that_is_not_given_is_open() -> None:
    """Nothing said is valid always, and says so."""
    assert Validity.parse(None, None) == ALWAYS
    assert (ALWAYS.starts, ALWAYS.ends) == (None, None)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-02-01", "2026-01-31"),
        ("2026-01-01T12:00:30+00:00", None),
        ("2026-01-01T12:00", None),
        ("1969-12-31", None),
        ("tomorrow", None),
        (None, "0001-01-01T00:00+23:59"),
        (None, "9999-12-31T23:00-12:00"),
        ("2026-01-01T12:00+00:00", "2026-01-01T12:00+00:00"),
    ],
)
def test_what_is_no_period_is_refused(start: str | None, end: str | None) -> None:
    """Back to front, with seconds, without a zone, before 1970, beyond the calendar, empty, or no time at all."""
    with pytest.raises(CallerError):
        Validity.parse(start, end)


@given(validities, validities, minutes)
def test_what_two_share_is_the_time_in_which_both_hold(one: Validity, other: Validity, at: int) -> None:
    """Minute by minute, and there is none if they share none."""
    met = one.met(other)
    both = one.start <= at < one.end and other.start <= at < other.end
    assert (met is not None and met.start <= at < met.end) == both
    assert met == other.met(one)


@given(st.dates(date(1971, 1, 1), date(9998, 1, 1)), st.integers(0, 400))
def test_days_last_as_long_as_they_are_many(first: date, more: int) -> None:
    """Both ends included."""
    last = first + timedelta(days=more)
    validity = Validity.parse(first.isoformat(), last.isoformat())
    assert validity.end - validity.start == (more + 1) * DAY


def test_labels_are_short_names_and_few() -> None:
    """What policies refer to has to be writable, and a list of labels is no text."""
    assert label_set(["hr", "hr", "works-council"]) == {"hr", "works-council"}
    with pytest.raises(CallerError):
        label_set(["Human Resources"])
    with pytest.raises(CallerError, match=str(MOST_LABELS)):
        label_set([f"label-{n}" for n in range(MOST_LABELS + 1)])


@pytest.mark.parametrize("word", ["True", "yes", "1", ""])
def test_only_true_and_false_are_truth_values(word: str) -> None:
    """A guess could open what was meant to be marked."""
    assert (truth("true"), truth("false")) == (True, False)
    with pytest.raises(CallerError):
        truth(word)
