"""Multipart uploads."""

from __future__ import annotations

import pytest

from domicile.domain.errors import CallerError
from domicile.web.uploads import UploadForm


def test_each_file_gets_the_source_of_its_place() -> None:
    """Or its own name where none was sent."""
    form = UploadForm(files=[("a.md", b"1"), ("b.md", b"2")])
    assert [each.source for each in form.uploads()] == ["a.md", "b.md"]
    form.fields["source"] = ["x/a.md", "y/b.md"]
    assert [(each.source, each.content) for each in form.uploads()] == [("x/a.md", b"1"), ("y/b.md", b"2")]


def test_sources_that_do_not_match_the_files_are_refused() -> None:
    """Guessing which one is missing would name documents wrongly."""
    form = UploadForm(files=[("a.md", b"1"), ("b.md", b"2")])
    form.fields["source"] = ["x"]
    with pytest.raises(CallerError):
        form.uploads()


def test_a_field_that_is_given_twice_is_refused() -> None:
    """Two classifications cannot both hold."""
    form = UploadForm()
    form.fields["classification"] = ["public", "restricted"]
    with pytest.raises(CallerError):
        form.single("classification")
    assert form.single("region") is None
