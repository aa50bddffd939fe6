"""Answers and sources as the templates show them."""

from __future__ import annotations

from uuid import UUID

from domicile.web.pages.views import BLANK_EXCHANGE, SourceView, passage_href

_ID = UUID(int=7)


def test_a_citations_link_opens_the_passage_and_leads_back() -> None:
    """With the version that the offsets belong to."""
    href = passage_href(_ID, _ID, (3, 9), f"{_ID}.e{_ID}")
    assert href == f"/documents/{_ID}?passage=3-9&version={_ID}&from={_ID}.e{_ID}#passage"
    assert "from=" not in passage_href(_ID, _ID, (3, 9), "")


def test_cited_sources_are_told_from_those_that_were_only_considered() -> None:
    """The panel shows the first and folds the others."""
    assert (BLANK_EXCHANGE.cited, BLANK_EXCHANGE.considered) == ([], [])
    source = SourceView(1, True, "#", "t", "s", "", "", "public", "eu-de")
    assert source.cited
