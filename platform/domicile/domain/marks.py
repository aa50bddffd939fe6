"""What is said about a document: how sensitive it is, whose it is, for whom and until when. Opaque ids and short names only.

A collection carries the same marks: they are what its new documents get where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from domicile.domain.errors import CallerError
from domicile.domain.values import Classification, slug

#: Stands for no owner: the Max UUID of RFC 9562, which no clock makes, so that an owner can always be compared.
NOBODY = UUID(int=2**128 - 1)
#: The end of what is valid without end, in seconds since 1970: the first instant of the year 10000.
FOREVER = 253_402_300_800
#: Labels that one document may have; more would be a text and not a mark.
MOST_LABELS = 32
_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Validity:
    """From ``start`` until right before ``end``, in seconds since 1970 (UTC), whole minutes, as policy tells the time.

    Raises ``CallerError`` for a period that holds no minute.
    """

    start: int = 0
    end: int = FOREVER

    def __post_init__(self) -> None:
        if self.start % _MINUTE or self.end % _MINUTE:
            raise CallerError("A document's validity begins and ends with a whole minute.", hint="Leave out the seconds.")
        if not 0 <= self.start < self.end <= FOREVER:
            raise CallerError(
                "That is not a period in which a document is valid.", hint="Give a start before its end, both after 1970."
            )

    @classmethod
    def parse(cls, start: str | None, end: str | None) -> Validity:
        """From ISO 8601 texts: days, of which the last one still counts, or times with a zone. None leaves that side open."""
        return cls(
            0 if start is None else _instant(start, timedelta(0)),
            FOREVER if end is None else _instant(end, timedelta(days=1)),
        )

    def met(self, other: Validity) -> Validity | None:
        """The time in which both hold; None if there is none."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Validity(start, end) if start < end else None

    @property
    def starts(self) -> datetime | None:
        return None if self.start == 0 else datetime.fromtimestamp(self.start, UTC)

    @property
    def ends(self) -> datetime | None:
        return None if self.end == FOREVER else datetime.fromtimestamp(self.end, UTC)


ALWAYS = Validity()


@dataclass(frozen=True, slots=True)
class Marks:
    """No ``groups`` means everyone in the tenant, within their clearance."""

    classification: Classification = Classification.INTERNAL
    groups: frozenset[UUID] = frozenset()
    owner: UUID = NOBODY
    labels: frozenset[str] = frozenset()
    personal_data: bool = False
    validity: Validity = ALWAYS


#: Internal, open to the tenant, and nothing else said.
UNMARKED = Marks()


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """What somebody says about documents that they bring: groups by short name, the owner by login. None says nothing."""

    classification: Classification | None = None
    groups: tuple[str, ...] | None = None
    owner: str | None = None
    labels: frozenset[str] | None = None
    personal_data: bool | None = None
    validity: Validity | None = None
    #: Identifiers of the data subjects that they are about: no mark, since policy never sees them.
    subjects: tuple[str, ...] | None = None


NOTHING_SAID = Marking()


def label_set(names: Iterable[str]) -> frozenset[str]:
    """The labels themselves; raises ``CallerError`` for one that is no short name, and for too many."""
    labels = frozenset(map(slug, names))
    if len(labels) > MOST_LABELS:
        raise CallerError(f"A document has at most {MOST_LABELS} labels.", limit=MOST_LABELS)
    return labels


def truth(text: str) -> bool:
    """Of ``true`` or ``false``; raises ``CallerError`` for every other word."""
    if text not in ("true", "false"):
        raise CallerError(f"'{text[:16]}' is neither 'true' nor 'false'.", hint="Write 'true' or 'false'.")
    return text == "true"


def _instant(text: str, whole_day: timedelta) -> int:
    """Seconds since 1970; of a day without a time, its first instant and ``whole_day`` more."""
    try:
        moment = datetime.combine(date.fromisoformat(text), time(), UTC) + whole_day
    except (ValueError, OverflowError):
        moment = _with_zone(text)
    return int(moment.timestamp())


def _with_zone(text: str) -> datetime:
    wrong = CallerError(f"'{text[:40]}' is not a day or a time.", hint="Write it like 2026-12-31 or 2026-12-31T18:00+01:00.")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise wrong from None
    if moment.tzinfo is None or not 1 < moment.year < 9999:
        raise wrong
    return moment.astimezone(UTC)
