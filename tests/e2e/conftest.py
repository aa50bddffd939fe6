"""Headless Chromium on pages that are really served. Skipped, saying so, where there is no Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.fakes.cell import PASSWORD, MemoryCell
from tests.fakes.generator import ScriptedGenerator
from tests.fakes.served import Served, serving_memory_cell

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

Opening = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no Chromium on this machine (on Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served[MemoryCell]]:
    """A cell with the extractive generator."""
    with serving_memory_cell(tmp_path_factory.mktemp("cell")) as cell:
        yield cell


@pytest.fixture(scope="module")
def generator() -> ScriptedGenerator:
    """What answers in ``scripted``: tests tell it what to say and how to end."""
    return ScriptedGenerator()


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory, generator: ScriptedGenerator) -> Iterator[Served[MemoryCell]]:
    with serving_memory_cell(tmp_path_factory.mktemp("cell"), generator) as cell:
        yield cell


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Opening]:
    """Opens pages; at the end, every one of them must have been quiet and have kept to its own host."""
    with _watched(chromium) as opening:
        yield opening


@contextmanager
def _watched(chromium: Browser) -> Iterator[Opening]:
    complaints: list[str] = []
    contexts = []

    def opening(url: str, *, expect: tuple[str, ...] = (), **options: object) -> Page:
        """A page of a fresh browser. ``expect`` are parts of console messages that this test is about."""
        context = chromium.new_context(**{"viewport": DESKTOP, "locale": "en-GB", **options})
        contexts.append(context)
        page = context.new_page()
        host = urlsplit(url).netloc

        def complain(text: str) -> None:
            if not any(part in text for part in expect):
                complaints.append(text)

        page.on("console", lambda message: complain(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complain(f"uncaught: {error}"))
        page.on("dialog", lambda dialog: (complain(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda sent: None if urlsplit(sent.url).netloc == host else complain(f"elsewhere: {sent.url}"))
        page.goto(url)
        return page

    yield opening
    for context in contexts:
        context.close()
    assert complaints == []


def sign_in(page: Page, login: str) -> None:
    page.fill("#login", login)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url("**/")


def ask(page: Page, question: str, state: str = "answered") -> None:
    """Ask and wait until the answer has come to that end."""
    page.fill("#composer", question)
    page.press("#composer", "Enter")
    page.wait_for_selector(f".exchange:last-child[data-state={state}]")
