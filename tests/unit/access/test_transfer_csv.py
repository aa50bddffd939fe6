"""The transfer register as a table."""

from __future__ import annotations

import csv
import io
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.clock import FixedClock
from tests.fakes.people import uid

from domicile.access.transfer_csv import COLUMNS, facts, heading, line
from domicile.domain.transfers import TransferRecord, Unit

CLOCK = FixedClock()


def record(**changes: object) -> TransferRecord:
    fields: dict[str, object] = {
        "id": UUID(int=1),
        "time": CLOCK.now(),
        "tenant_id": None,
        "principal_id": uid("mia"),
        "credential_id": None,
        "kind": "content",
        "source": "eu-de",
        "target": "eu-fr",
        "component": "model",
        "entry": "eu-internal",
        "basis": "Adequacy decision",
        "reference": "Art. 45, of the GDPR",
        "amount": 8,
        "unit": Unit.PASSAGES,
        "bundle_digest": "ab" * 32,
        "audit_id": UUID(int=2),
        "request_id": "request-1",
    }
    return TransferRecord(**{**fields, **changes})  # type: ignore[arg-type]


def read(text: str) -> list[str]:
    (row,) = csv.reader(io.StringIO(text, newline=""))
    return row


def test_the_heading_names_the_columns_and_a_line_fills_them() -> None:
    """Commas do not break a cell; what is not known is empty."""
    assert read(heading()) == list(COLUMNS)
    row = dict(zip(COLUMNS, read(line(record())), strict=True))
    assert (row["time"], row["from"], row["to"], row["unit"]) == ("2025-03-14T09:26:53.000000Z", "eu-de", "eu-fr", "passages")
    assert (row["tenant_id"], row["reference"], row["amount"]) == ("", "Art. 45, of the GDPR", "8")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =LINK(0)", '=cmd|" /C calc"!A0'])
def test_no_cell_is_a_formula(text: str) -> None:
    """Whoever writes the legal texts does not get to run anything on the auditor's machine."""
    row = dict(zip(COLUMNS, read(line(record(basis=text))), strict=True))
    assert row["basis"] == f"'{text}"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_whatever_the_text_one_entry_is_one_row_with_it(text: str) -> None:
    """Quotes, commas and line breaks stay in their cell, and only an apostrophe is ever added."""
    row = dict(zip(COLUMNS, read(line(record(basis=text, reference=text))), strict=True))
    assert row["basis"] == row["reference"]
    assert row["basis"].removeprefix("'") == text.removeprefix("'") or row["basis"] == f"'{text}"
    assert not row["basis"].lstrip(" ").startswith(("=", "+", "-", "@"))


def test_facts_are_named_as_the_columns_are() -> None:
    """For programs: the same names, the values as they are."""
    assert list(facts(record())) == list(COLUMNS)
    assert facts(record())["to"] == "eu-fr"
