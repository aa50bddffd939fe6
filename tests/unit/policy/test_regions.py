"""Regions, jurisdictions and transfers as they are written down."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.policy import shipped_bundle, shipped_regions, shipped_sources

from domicile.domain.errors import PolicyInvalid
from domicile.domain.values import Region
from domicile.policy.bundle import PolicyBundle
from domicile.policy.regions import DataKind, RegionBook

BOOK = """
jurisdictions: {eu: European Union, us: United States}
regions:
  eu-de: {country: DE, jurisdiction: eu, operator: Acme, url: "https://de.example"}
  eu-fr: {country: FR, jurisdiction: eu, operator: Acme}
  us-va: {country: US, jurisdiction: us, operator: Acme Inc.}
transfers:
  - {id: within, from: eu, to: eu, data: [content, telemetry], basis: none needed, reference: Art. 1}
  - {id: board, from: eu-de, to: us-va, data: [content], basis: SCC, reference: Module 1, expires: 2027-01-31}
"""
DE, FR, VA = Region("eu-de"), Region("eu-fr"), Region("us-va")
TODAY = date(2026, 11, 24)


def test_a_region_has_its_country_jurisdiction_operator_and_address() -> None:
    """And what is not written down is not known."""
    entry = RegionBook.parse(BOOK).region(DE)
    assert entry is not None
    assert (entry.country, entry.jurisdiction, entry.operator, entry.url) == ("DE", "eu", "Acme", "https://de.example")
    assert RegionBook.parse(BOOK).region(Region("ap-tk")) is None


@pytest.mark.parametrize(("name", "jurisdiction"), [("eu-fr", "eu"), ("ap-tk", ""), ("unknown", ""), ("", ""), ("EU-DE", "")])
def test_what_is_unknown_has_no_jurisdiction(name: str, jurisdiction: str) -> None:
    """Whatever a header or a claim says, only a listed region is somewhere."""
    assert RegionBook.parse(BOOK).jurisdiction(name) == jurisdiction


@pytest.mark.parametrize(
    ("source", "target", "kind", "on", "found"),
    [
        (DE, FR, "content", TODAY, "within"),
        (DE, DE, "telemetry", TODAY, "within"),
        (DE, FR, "keys", TODAY, None),
        (DE, VA, "content", date(2027, 1, 31), "board"),
        (DE, VA, "content", date(2027, 2, 1), None),
        (DE, VA, "telemetry", TODAY, None),
        (FR, VA, "content", TODAY, None),
        (VA, DE, "content", TODAY, None),
        (DE, Region("ap-tk"), "content", TODAY, None),
        (DE, DE, "anything", TODAY, None),
    ],
)
def test_a_flow_has_the_basis_that_covers_it_and_none_otherwise(
    source: Region, target: Region, kind: str, on: date, found: str | None
) -> None:
    """By region or jurisdiction, by kind of data, in one direction, up to the last day."""
    transfer = RegionBook.parse(BOOK).transfer(source, target, kind, on)
    assert (transfer and transfer.id) == found


@given(st.dates(date(2020, 1, 1), date(2035, 1, 1)), st.sampled_from(list(DataKind)), st.integers(1, 4000))
def test_what_is_denied_after_its_day_stays_denied(on: date, kind: DataKind, later: int) -> None:
    """Time never brings a basis back."""
    book = RegionBook.parse(BOOK)
    if book.transfer(DE, VA, kind, on) is None and on > date(2027, 1, 31):
        assert book.transfer(DE, VA, kind, on + timedelta(days=later)) is None
    if book.transfer(DE, VA, kind, on):
        assert on <= date(2027, 1, 31)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (BOOK.replace("eu-de: {country", "EU: {country"), "not a region name"),
        (BOOK.replace("jurisdiction: us", "jurisdiction: uk"), "'uk' is not listed"),
        (BOOK.replace("to: us-va", "to: us-tx"), "'us-tx'"),
        (BOOK.replace("id: board", "id: within"), "called 'within'"),
        (BOOK.replace("basis: SCC", 'basis: ""'), "needs data, basis and reference"),
        (BOOK.replace("data: [content],", "data: [],"), "needs data, basis and reference"),
        (BOOK.replace("data: [content],", "data: [contents],"), "contents"),
        (BOOK.replace("expires: 2027-01-31", "expires: soon"), "expires"),
        (BOOK.replace("operator: Acme,", "owner: Acme,"), "right form"),
        ("regions: [", "cannot be read"),
        ("[" * 20_000, "nested too deeply"),
        ("", "right form"),
    ],
)
def test_what_is_wrong_is_refused_and_named(wrong: str, says: str) -> None:
    """A region book is checked as a whole when it is loaded."""
    with pytest.raises(PolicyInvalid, match=says) as refusal:
        RegionBook.parse(wrong)
    assert refusal.value.members["file"] == "regions.yaml"


def test_the_shipped_book_is_part_of_the_bundle_and_of_its_digest() -> None:
    """One more day for a transfer is another bundle."""
    bundle = shipped_bundle()
    assert bundle.regions.jurisdiction("eu-de") == "eu"
    changed = shipped_regions().replace("2031-12-27", "2031-12-28")
    assert PolicyBundle.parse(*shipped_sources(), changed).digest != bundle.digest
    assert bundle.regions.transfer(DE, VA, "content", TODAY) is None
