"""The ways in which an answer can end, each in words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from tests.e2e.conftest import Opening, ask, sign_in
from tests.fakes.cell import MemoryCell
from tests.fakes.generator import ScriptedGenerator
from tests.fakes.served import Served
from tests.unit.web.pages.test_answer_text import CASES

from domicile.domain.errors import ModelStreamBroken, ModelUnavailable
from domicile.web.pages.answer_text import answer_html

pytestmark = pytest.mark.browser

QUESTION = "How many days of annual leave does every employee have?"


@pytest.fixture(autouse=True)
def _well_behaved(generator: ScriptedGenerator) -> Iterator[None]:
    """Every test begins with a generator that answers."""
    yield
    generator.pieces, generator.failure, generator.hangs, generator.answered = ("It is ", "so [1]."), None, False, True


def test_a_model_that_is_down_leaves_the_passages(
    scripted: Served[MemoryCell], generator: ScriptedGenerator, opened: Opening
) -> None:
    """What still works is said and shown; asked again when the model is back, it answers."""
    generator.pieces, generator.failure = (), ModelUnavailable()
    page = opened(scripted.url)
    sign_in(page, "mia")
    ask(page, QUESTION, "model")
    expect(page.locator(".notice.model")).to_contain_text("Search still works")
    expect(page.locator(".exchange.current .source").first).to_be_visible()
    generator.pieces, generator.failure = ("Thirty [1].",), None
    page.click(".retry")
    page.wait_for_selector(".exchange:last-child[data-state=answered]")
    expect(page.locator(".answer").last).to_have_text("Thirty 1.")


def test_an_answer_that_is_cut_off_keeps_what_was_said(
    scripted: Served[MemoryCell], generator: ScriptedGenerator, opened: Opening
) -> None:
    """And says that it is incomplete, also when the page is opened again."""
    generator.pieces, generator.failure = ("Every employee ", "has"), ModelStreamBroken()
    page = opened(scripted.url)
    sign_in(page, "mia")
    ask(page, QUESTION, "cut")
    expect(page.locator(".answer")).to_have_text("Every employee has")
    expect(page.locator(".notice.cut")).to_contain_text("incomplete")
    page.reload()
    expect(page.locator(".exchange[data-state=cut] .notice.cut")).to_be_visible()


def test_an_answer_can_be_stopped(scripted: Served[MemoryCell], generator: ScriptedGenerator, opened: Opening) -> None:
    """The page says so, the model is told, and the next question works."""
    generator.pieces, generator.hangs = ("Every employee ",), True
    closed = generator.closed
    page = opened(scripted.url)
    sign_in(page, "mia")
    page.fill("#composer", QUESTION)
    page.press("#composer", "Enter")
    expect(page.locator(".answer")).to_contain_text("Every employee")
    expect(page.locator(".steps .now")).to_have_text("Answering")
    page.click(".stop")
    expect(page.locator(".notice.stopped")).to_be_visible()
    for _ in range(100):
        if generator.closed > closed:
            break
        page.wait_for_timeout(50)
    assert generator.closed > closed
    generator.hangs = False
    ask(page, QUESTION)


def test_a_lost_connection_is_said_and_can_be_tried_again(scripted: Served[MemoryCell], opened: Opening) -> None:
    """Neither the page nor what was asked is lost."""
    page = opened(scripted.url, expect=("ERR_",))
    sign_in(page, "mia")
    page.route("**/v1/answers", lambda route: route.abort("connectionreset"))
    ask(page, QUESTION, "lost")
    expect(page.locator(".notice.lost")).to_contain_text("Check your network")
    page.unroute("**/v1/answers")
    page.click(".retry")
    page.wait_for_selector(".exchange:last-child[data-state=answered]")


def test_a_stream_that_ends_too_early_is_not_taken_for_an_answer(scripted: Served[MemoryCell], opened: Opening) -> None:
    """Without its last event it is a lost connection."""
    page = opened(scripted.url)
    sign_in(page, "mia")
    page.route("**/v1/answers", lambda route: route.fulfill(content_type="text/event-stream", body="event: delta\ndata: {"))
    ask(page, QUESTION, "lost")


def test_a_session_that_is_over_leads_to_signing_in(scripted: Served[MemoryCell], opened: Opening) -> None:
    """Instead of failing silently."""
    page = opened(scripted.url, expect=("401",))
    sign_in(page, "mia")
    page.context.clear_cookies()
    ask(page, QUESTION, "expired")
    page.click(".notice.expired a")
    expect(page.locator("#password")).to_be_visible()


def test_a_question_that_is_too_long_is_said(scripted: Served[MemoryCell], opened: Opening) -> None:
    """In words, without a retry that could not help."""
    page = opened(scripted.url, expect=("400",))
    sign_in(page, "mia")
    ask(page, "x" * 5000, "failed")
    expect(page.locator(".notice.failed")).to_contain_text("Shorten it")
    expect(page.locator(".notice.failed .retry")).to_have_count(0)


def test_a_hostile_model_and_a_hostile_question_stay_words(
    scripted: Served[MemoryCell], generator: ScriptedGenerator, opened: Opening
) -> None:
    """No script runs, nothing is loaded, no element appears; the page fixture would have noticed a dialog or a request."""
    hostile = '<img src=x onerror=alert(1)><script>alert(2)</script>[x](javascript:alert(3)) "><svg onload=alert(4)>'
    generator.pieces = (hostile, f" **{hostile}** [1]")
    page = opened(scripted.url)
    sign_in(page, "mia")
    ask(page, f"leave {hostile}")
    for selector in (".exchange img", ".exchange script", ".exchange svg", ".answer a:not(.citation)"):
        expect(page.locator(selector)).to_have_count(0)
    expect(page.locator(".answer")).to_contain_text("<script>alert(2)</script>")
    page.reload()
    expect(page.locator(".answer")).to_contain_text("<script>alert(2)</script>")


def test_the_browser_draws_answers_exactly_as_the_server_does(scripted: Served[MemoryCell], opened: Opening) -> None:
    """So that an answer does not change when its page is opened again."""
    page = opened(scripted.url)
    links = {1: "/documents/1?a=1&b=2", 2: "/documents/2"}
    draw = """async ([text, links]) => {
        const { drawAnswer } = await import("/static/answer.js");
        const element = document.createElement("div");
        drawAnswer(element, text, new Map(links));
        return element;
    }"""
    for text, _ in CASES:
        drawn = page.evaluate_handle(draw, [text, list(links.items())])
        assert drawn.evaluate("each => each.innerHTML") == _as_browsers_write(str(answer_html(text, links))), text


def _as_browsers_write(html: str) -> str:
    """Browsers write attributes of links in the order in which the script set them, and quotes in text as they are."""
    return html.replace("&#34;", '"').replace("&#39;", "'")
