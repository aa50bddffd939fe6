"""What commands print."""

from __future__ import annotations

import json

import pytest

from domicile.cli.output import fail, print_json, print_table


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    """A program can read it whole, umlauts included."""
    print_json([{"name": "Bücher", "count": 2, "none": None}])
    assert json.loads(capsys.readouterr().out) == [{"name": "Bücher", "count": 2, "none": None}]


def test_a_table_keeps_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    """Square brackets are no markup, None is nothing, and a long cell is neither cut nor broken when piped."""
    long = "x" * 400
    print_table(("name", "what"), [("[bold]a[/bold]", long), (None, 7)])
    header, first, second = capsys.readouterr().out.rstrip("\n").split("\n")
    assert header.split() == ["name", "what"]
    assert first.split() == ["[bold]a[/bold]", long]
    assert second.split() == ["7"]


def test_a_failure_is_two_sentences_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong and what to do; standard output stays clean for programs."""
    assert fail("It broke.", "Mend it.") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "Error: It broke.\nMend it.\n"
