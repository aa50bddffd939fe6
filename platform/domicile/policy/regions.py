"""Regions, the jurisdictions they lie in, and which flows between them have a legal basis.

What is not written here does not exist: an unknown region has no jurisdiction, and a flow without an entry has no basis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import msgspec

from domicile.domain.errors import CallerError, PolicyInvalid
from domicile.domain.values import Region


class DataKind(StrEnum):
    """What flows. A transfer names the kinds that it covers."""

    CONTENT = "content"  # documents, passages, prompts and answers
    METADATA = "metadata"  # ids, attributes, job states
    TELEMETRY = "telemetry"  # traces and metrics, which hold no content
    KEYS = "keys"  # wrapped keys, and requests to a key service
    ACCESS = "access"  # a person who looks from elsewhere


@dataclass(frozen=True, slots=True)
class RegionEntry:
    """``country`` is ISO 3166-1 alpha-2; ``url`` is where the region's own cell answers, empty if there is none."""

    region: Region
    country: str
    jurisdiction: str
    operator: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One permitted flow. ``source`` and ``target`` each name a region or a jurisdiction; ``expires`` is its last day."""

    id: str
    source: str
    target: str
    kinds: frozenset[DataKind]
    basis: str
    reference: str
    expires: date | None


@dataclass(frozen=True, slots=True)
class RegionBook:
    """What ``policies/regions.yaml`` says."""

    regions: Mapping[Region, RegionEntry]
    transfers: tuple[Transfer, ...] = ()

    @classmethod
    def empty(cls) -> RegionBook:
        """No region and no transfer: every flow to another region lacks a basis."""
        return cls({})

    @classmethod
    def parse(cls, text: str) -> RegionBook:
        """Raises ``PolicyInvalid``, naming the entry, for anything that is unknown, missing, repeated or refers to nothing."""
        written = _decoded(text)
        regions = {each.region: each for each in map(_region, written.regions.items())}
        unknown = {each.jurisdiction for each in regions.values()} - set(written.jurisdictions)
        if unknown:
            raise PolicyInvalid(f"regions.yaml: the jurisdiction '{min(unknown)}' is not listed.", file="regions.yaml")
        places = {region.name for region in regions} | set(written.jurisdictions)
        transfers = tuple(_transfer(each, places) for each in written.transfers)
        repeated = _repeated(each.id for each in transfers)
        if repeated:
            raise PolicyInvalid(f"regions.yaml: two transfers are called '{repeated}'.", file="regions.yaml")
        return cls(regions, transfers)

    def region(self, region: Region) -> RegionEntry | None:
        return self.regions.get(region)

    def jurisdiction(self, name: str) -> str:
        """Of the region of that name; empty for one that is unknown, so that it equals no other."""
        try:
            entry = self.regions.get(Region(name))
        except CallerError:
            return ""
        return entry.jurisdiction if entry else ""

    def transfer(self, source: Region, target: Region, kind: str, on: date) -> Transfer | None:
        """The first entry that covers the flow on that day, or None: then it has no legal basis."""
        from_, to = self._names(source), self._names(target)
        for each in self.transfers:
            within = each.expires is None or on <= each.expires
            if within and each.source in from_ and each.target in to and kind in each.kinds:
                return each
        return None

    def _names(self, region: Region) -> frozenset[str]:
        """What entries may call the region: by its own name, or by its jurisdiction's."""
        return frozenset({region.name, self.jurisdiction(region.name)} - {""})


class _WrittenRegion(msgspec.Struct, forbid_unknown_fields=True):
    country: str
    jurisdiction: str
    operator: str
    url: str = ""


class _WrittenTransfer(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    data: list[DataKind] = []
    basis: str = ""
    reference: str = ""
    expires: date | None = None


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    jurisdictions: dict[str, str]
    regions: dict[str, _WrittenRegion]
    transfers: list[_WrittenTransfer] = []


def _decoded(text: str) -> _Written:
    import yaml

    try:
        read: Any = yaml.safe_load(text)
        return msgspec.convert(read, _Written)
    except RecursionError:
        raise PolicyInvalid("regions.yaml is nested too deeply.", file="regions.yaml") from None
    except yaml.YAMLError as error:
        raise PolicyInvalid(f"regions.yaml cannot be read: {error}", file="regions.yaml") from None
    except msgspec.ValidationError as error:
        raise PolicyInvalid(f"regions.yaml does not have the right form: {error}", file="regions.yaml") from None


def _region(item: tuple[str, _WrittenRegion]) -> RegionEntry:
    name, written = item
    try:
        return RegionEntry(Region(name), written.country, written.jurisdiction, written.operator, written.url)
    except CallerError as error:
        raise PolicyInvalid(f"regions.yaml: {error}", file="regions.yaml") from None


def _transfer(written: _WrittenTransfer, places: frozenset[str] | set[str]) -> Transfer:
    for place in (written.source, written.target):
        if place not in places:
            raise PolicyInvalid(
                f"regions.yaml: transfer '{written.id}' names '{place}', which is neither a region nor a jurisdiction there.",
                file="regions.yaml",
            )
    if not (written.data and written.basis and written.reference):
        raise PolicyInvalid(f"regions.yaml: transfer '{written.id}' needs data, basis and reference.", file="regions.yaml")
    return Transfer(
        written.id, written.source, written.target, frozenset(written.data), written.basis, written.reference, written.expires
    )


def _repeated(ids: Iterable[str]) -> str:
    seen: set[str] = set()
    for each in ids:
        if each in seen:
            return each
        seen.add(each)
    return ""
