"""The chat, as a visitor meets it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.e2e.conftest import PHONE, Opening, ask, sign_in
from tests.fakes.cell import MemoryCell
from tests.fakes.served import Served

pytestmark = pytest.mark.browser

QUESTION = "How many days of paid annual leave does every employee have a year?"


def test_a_question_gets_a_streamed_answer_whose_citation_opens_the_passage(
    served: Served[MemoryCell], opened: Opening
) -> None:
    """Sign in, ask, read, look at the sources, open the cited words in their document, and come back to the answer."""
    page = opened(served.url)
    sign_in(page, "mia")
    expect(page.locator(".example").first).to_be_visible()
    ask(page, QUESTION)
    expect(page.locator(".answer")).to_contain_text("30 days")
    expect(page.locator(".made-by")).to_contain_text("extractive")
    expect(page.locator(".made-by")).to_contain_text("eu-de")

    cited = page.locator(".exchange.current .cited-list .source").first
    expect(cited).to_be_visible()
    for words in ("Leave policy", "Annual leave", "handbook/leave.md", "internal", "eu-de", "30 days"):
        expect(cited).to_contain_text(words)
    expect(page.locator(".searched-text")).to_contain_text("2 documents that you may read, in 2 collections.")

    page.hover(".citation")
    expect(page.locator("#preview")).to_contain_text("30 days")
    page.click(".citation")
    mark = page.locator("#passage")
    expect(mark).to_contain_text("30 days")
    expect(mark).to_be_in_viewport()
    for words in ("Leave policy", "handbook/leave.md", "internal", "eu-de"):
        expect(page.locator(".reader-head")).to_contain_text(words)
    page.click(".back")
    expect(page.locator(".exchange .question-text")).to_have_text(QUESTION)
    expect(page.locator(".answer")).to_contain_text("30 days")
    expect(page.locator(".exchange.current .cited-list .source-text").first).to_contain_text("30 days")


def test_a_conversation_goes_on_and_stays_in_the_history(served: Served[MemoryCell], opened: Opening) -> None:
    """A second question stands below the first; after a reload both are still there, until it is deleted."""
    page = opened(served.url)
    sign_in(page, "mia")
    ask(page, QUESTION)
    ask(page, "What is the per diem for a full day of travel?")
    assert "/conversations/" in page.url
    expect(page.locator(".history-list [aria-current]")).to_have_text(QUESTION)
    page.reload()
    expect(page.locator(".exchanges .exchange")).to_have_count(2)
    expect(page.locator(".answer").nth(1)).to_contain_text("28 euros")
    page.click("text=Delete this conversation")
    expect(page.locator(".welcome h1")).to_be_visible()
    expect(page.locator(".history-list [aria-current]")).to_have_count(0)


def test_a_reader_without_the_right_sees_nothing_of_the_document(served: Served[MemoryCell], opened: Opening) -> None:
    """Neither in the answer, nor among the sources, nor by its address; who has the right sees all of it."""
    question = "Which company will the board buy for 14 million euros?"
    board = opened(served.url)
    sign_in(board, "ada")
    ask(board, question)
    expect(board.locator(".answer")).to_contain_text("Larch")
    address = board.locator(".citation").first.get_attribute("href")

    member = opened(served.url, expect=("403",))
    sign_in(member, "mia")
    member.fill("#composer", question)
    member.press("#composer", "Enter")
    member.wait_for_selector(".exchange:not([data-state=working])")
    for words in ("Larch", "Board minutes", "board/minutes.md", "restricted"):
        assert words not in member.inner_text("body")
    member.goto(served.url + str(address))
    expect(member.locator("h1")).to_have_text("This was refused")
    expect(member.locator("main")).to_contain_text("Ask your tenant administrator")
    assert "Larch" not in member.content()


def test_only_the_chosen_collections_are_searched(served: Served[MemoryCell], opened: Opening) -> None:
    """And none chosen at all is said before anything is sent."""
    page = opened(served.url)
    sign_in(page, "mia")
    page.uncheck("input[value=handbook]")
    ask(page, QUESTION, "nothing")
    expect(page.locator(".notice.nothing")).to_contain_text("No answer in the documents that you may read")
    expect(page.locator(".searched-text")).to_contain_text("in 1 collections")
    page.uncheck("input[value=board]")
    page.fill("#composer", QUESTION)
    page.press("#composer", "Enter")
    expect(page.locator(".composer-notice")).to_have_text("Choose at least one collection.")
    page.fill("#composer", "   ")
    page.press("#composer", "Enter")
    expect(page.locator(".composer-notice")).to_have_text("Type a question first.")


def test_on_a_phone_the_sources_are_a_sheet_and_the_menu_a_drawer(served: Served[MemoryCell], opened: Opening) -> None:
    """Nothing is wider than the screen; both open, close and give the focus back."""
    page = opened(served.url, viewport=PHONE, has_touch=True)
    sign_in(page, "mia")
    ask(page, QUESTION)
    expect(page.locator(".exchange .sources")).to_be_hidden()
    page.click(".show-sources")
    expect(page.locator(".exchange .sources")).to_be_visible()
    expect(page.locator(".close-sources")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".exchange .sources")).to_be_hidden()
    expect(page.locator(".show-sources")).to_be_focused()
    expect(page.locator(".sidebar")).to_be_hidden()
    page.click("header .menu-button")
    expect(page.locator(".sidebar")).to_be_visible()
    page.click(".sidebar .menu-button")
    expect(page.locator(".sidebar")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.click(".citation")
    expect(page.locator("#passage")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_dark_and_light_follow_the_system_until_one_is_chosen(served: Served[MemoryCell], opened: Opening) -> None:
    """The choice is kept over pages, and the server knows it, so that no page flashes in the other."""
    page = opened(served.url, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.click("text=Light")
    light = page.evaluate(ground)
    assert dark != light
    sign_in(page, "mia")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.evaluate(ground) == light
    page.click("text=Auto")
    assert page.evaluate(ground) == dark


def test_everything_can_be_done_with_the_keyboard(served: Served[MemoryCell], opened: Opening) -> None:
    """The question box has the focus; a focused citation shows its preview, and Enter opens it."""
    page = opened(served.url)
    sign_in(page, "mia")
    expect(page.locator("#composer")).to_be_focused()
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector(".exchange[data-state=answered]")
    expect(page.locator("#composer")).to_be_focused()
    page.locator(".citation").first.focus()
    expect(page.locator("#preview")).to_be_visible()
    outline = page.locator(".citation").first.evaluate("each => getComputedStyle(each).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("#passage")).to_be_in_viewport()
    expect(page.locator("#announcer")).to_have_count(0)


def test_the_end_of_an_answer_is_announced(served: Served[MemoryCell], opened: Opening) -> None:
    """Whoever cannot see the answer grow hears when it is there."""
    page = opened(served.url)
    sign_in(page, "mia")
    ask(page, QUESTION)
    expect(page.locator("#announcer[aria-live=polite]")).to_contain_text("Answer complete")
    expect(page.locator("#announcer")).to_contain_text("30 days")


def test_without_script_the_whole_answer_comes_with_the_page(served: Served[MemoryCell], opened: Opening) -> None:
    """With sources and citations that open; only the streaming is missing."""
    page = opened(served.url, java_script_enabled=False)
    sign_in(page, "mia")
    page.fill("#composer", QUESTION)
    page.click("button.ask")
    expect(page.locator(".answer")).to_contain_text("30 days")
    expect(page.locator(".sources")).to_be_visible()
    page.click(".citation")
    expect(page.locator("#passage")).to_contain_text("30 days")


def test_german_readers_get_german_words(served: Served[MemoryCell], opened: Opening) -> None:
    """On every page, and none of them wider than its place."""
    page = opened(served.url, locale="de-DE", viewport=PHONE)
    expect(page.locator("h1")).to_have_text("Anmelden")
    sign_in(page, "mia")
    ask(page, QUESTION)
    page.click("text=Quellen")
    expect(page.locator(".sources h3")).to_have_text("Quellen")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_signing_out_ends_it(served: Served[MemoryCell], opened: Opening) -> None:
    """The way back in the browser's history shows nothing any more."""
    page = opened(served.url)
    sign_in(page, "mia")
    ask(page, QUESTION)
    page.click("text=Sign out")
    expect(page.locator(".notice")).to_have_text("You are signed out.")
    page.go_back()
    page.reload()
    expect(page.locator("#password")).to_be_visible()
