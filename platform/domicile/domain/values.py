"""Small values that everything else is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from domicile.domain.errors import CallerError, InvalidText

_REGION = re.compile(r"[a-z]{2}(-[a-z0-9]{1,12}){1,3}")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """Where data lives, such as ``eu-de`` or ``us-va``. There is no default region and no empty one."""

    name: str

    def __post_init__(self) -> None:
        if not _REGION.fullmatch(self.name):
            raise CallerError(f"'{self.name[:40]}' is not a region name; write it like 'eu-de'.")

    def __str__(self) -> str:
        return self.name


class Classification(IntEnum):
    """How sensitive a document is; a clearance is the highest classification that its holder may read."""

    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2
    RESTRICTED = 3

    @property
    def label(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, label: str) -> Classification:
        """The classification of that label; raises ``CallerError`` for any other word."""
        try:
            return cls[label.upper()]
        except KeyError:
            raise CallerError(
                f"'{label[:40]}' is not a classification.", hint="Use public, internal, confidential or restricted."
            ) from None


class Role(StrEnum):
    """What a principal is within its tenant."""

    MEMBER = "member"
    CURATOR = "curator"  # brings documents in and takes out those that they own
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"  # sees who did what, and no content
    OPERATOR = "operator"  # runs the cell, and sees no content


def is_slug(text: str) -> bool:
    """Whether the text is a short lower-case name of letters, digits and hyphens."""
    return _SLUG.fullmatch(text) is not None


def slug(text: str) -> str:
    """The text itself if it is a short lower-case name (letters, digits, hyphens); raises ``CallerError`` otherwise."""
    if not is_slug(text):
        raise CallerError(f"'{text[:64]}' is not a valid name.", hint="Use lower-case letters, digits and hyphens.")
    return text


def clean_text(text: str) -> str:
    """The text itself if every store and model can hold it; raises ``InvalidText`` for NUL and lone surrogates."""
    if "\x00" in text or any("\ud800" <= ch <= "\udfff" for ch in text):
        raise InvalidText()
    return text
