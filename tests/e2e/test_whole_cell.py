"""The product as it is delivered: real parser, model, index and stores behind the page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.e2e.conftest import Opening, ask, sign_in
from tests.fakes.cell import PASSWORD, ROOT
from tests.fakes.served import Served, serving

from domicile.access.identity import Origin
from domicile.bootstrap import initialise_cell, open_cell
from domicile.config import load_settings
from domicile.domain.documents import JobState
from domicile.domain.marks import Marking
from domicile.domain.values import Classification, Role
from domicile.ingestion.drafts import Upload

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_SAMPLES = ROOT / "samples"
_OPEN = ("halvenbruck/leave/leave-policy-us.md", "halvenbruck/security/information-security-policy.pdf")
_HIDDEN = ("halvenbruck/management/board-minutes-2026-03-05.docx",)


async def _fill(cell: Any) -> None:
    """A tenant with an administrator, a member and three documents, one of which the member may not read."""
    tenant = await cell.administration.create_tenant("halvenbruck", "Halvenbruck Group", cell.region)
    operator = cell.administration.operator_caller(tenant)
    boss = await cell.administration.create_user(operator, "jonas", "Jonas", Role.ADMINISTRATOR, Classification.RESTRICTED)
    member = (operator, "mara", "Mara Vogt", Role.MEMBER, Classification.CONFIDENTIAL, (), PASSWORD)
    await cell.administration.create_user(*member)
    _, key = await cell.administration.create_api_key(operator, boss.id, "test")
    caller = await cell.identity.authenticate_key(key, Origin(request_id="test", trace_id=""))
    where = await cell.library.create_collection(caller, "company")
    for level, names in ((Classification.INTERNAL, _OPEN), (Classification.RESTRICTED, _HIDDEN)):
        uploads = [Upload(name, (_SAMPLES / name).read_bytes()) for name in names]
        job = await cell.intake.submit(caller, where.id, uploads, marking=Marking(classification=level))
        views = [view async for view in cell.progress.watch(caller, job.id)]
        assert (views[-1].state, views[-1].failed) == (JobState.DONE, 0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served[Any]]:
    folder: Path = tmp_path_factory.mktemp("whole")

    @asynccontextmanager
    async def opening(port: int) -> AsyncIterator[Any]:
        settings = load_settings({}, data_dir=folder / "data", region="eu-de", port=port, log_level="error")
        await initialise_cell(settings)
        async with open_cell(settings, command="test", run_jobs=True) as cell:
            await _fill(cell)
            yield cell

    with serving(opening) as served:
        yield served


def test_a_pdf_answers_and_opens_at_the_page(whole: Served[Any], opened: Opening) -> None:
    """The cited words are marked in the text of the PDF, and the source names its page."""
    page = opened(whole.url)
    sign_in(page, "mara")
    ask(page, "What is the minimum length of a password?")
    expect(page.locator(".answer")).to_contain_text("14 characters")
    source = page.locator(".exchange.current .cited-list .source").first
    expect(source).to_contain_text("Information Security Policy")
    expect(source).to_contain_text("page")
    page.click(".citation")
    expect(page.locator("#passage")).to_be_in_viewport()
    expect(page.locator("main.document")).to_contain_text("14 characters")


def test_what_the_member_may_not_read_is_not_there(whole: Served[Any], opened: Opening) -> None:
    """The board's minutes answer this question, and for her there are no such minutes."""
    page = opened(whole.url)
    sign_in(page, "mara")
    page.fill("#composer", "What is the upper limit of the purchase price for Project Larch?")
    page.press("#composer", "Enter")
    page.wait_for_selector(".exchange:not([data-state=working])")
    for words in ("14.5 million", "Quintorn", "board-minutes"):
        assert words not in page.inner_text("body")
    expect(page.locator(".searched-text")).to_contain_text("2 documents")
