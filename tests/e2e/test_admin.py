"""The page about rights and policies in a browser, with and without script, at a desk and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.e2e.conftest import DESKTOP, PHONE, Opening, sign_in
from tests.fakes.cell import MemoryCell
from tests.fakes.served import Served

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_administrator_finds_out_what_somebody_sees_and_why(
    served: Served[MemoryCell], opened: Opening, viewport: dict[str, int], script: bool
) -> None:
    """From the chat to the page, to a person, to why one of their documents is permitted; nothing runs off the screen."""
    page = opened(served.url, viewport=viewport, java_script_enabled=script)
    sign_in(page, "ada")
    if viewport == PHONE:
        page.click(".topbar .menu-button")
    page.click(".sidebar a[href='/admin']")
    page.fill("#person", "mia")
    page.click(".admin-ask .button")
    expect(page.locator("#sees-title")).to_have_text("What mia would see")
    expect(page.locator(".seen tbody tr")).to_have_count(2)
    page.locator(".seen a", has_text="Why?").first.click()
    expect(page.locator(".verdict")).to_contain_text("Permitted")
    expect(page.locator("#why pre").first).to_contain_text('@id("member-documents")')
    right = page.locator("main").bounding_box()
    assert right is not None
    assert right["x"] + right["width"] <= viewport["width"]
    for each in page.locator(".admin-card, .admin-ask").all():
        box = each.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= viewport["width"]


def test_the_form_is_used_with_the_keyboard_alone(served: Served[MemoryCell], opened: Opening) -> None:
    """Every field has a name, and Enter asks."""
    page = opened(served.url)
    sign_in(page, "ada")
    page.goto(f"{served.url}/admin")
    page.get_by_label("Person").focus()
    page.keyboard.type("olaf")
    page.keyboard.press("Tab")
    page.keyboard.type("answer:create")
    page.keyboard.press("Tab")
    page.keyboard.type("tenant")
    page.keyboard.press("Enter")
    expect(page.locator(".verdict")).to_contain_text("Denied")
    expect(page.locator(".unmet")).to_contain_text("principal.role = auditor")


def test_an_auditor_gets_there_from_the_page_that_asking_is_not_for_them(served: Served[MemoryCell], opened: Opening) -> None:
    """And a member, who types the address, is told that it is not for theirs."""
    page = opened(served.url, expect=("403",))
    sign_in(page, "olaf")
    page.get_by_role("link", name="Rights and policies").click()
    expect(page.locator("h1")).to_have_text("Rights and policies")
    member = opened(served.url, expect=("403",))
    sign_in(member, "mia")
    member.goto(f"{served.url}/admin")
    expect(member.locator("h1")).to_contain_text("not part of your role")
