"""The pages' own script, style and icon."""

from __future__ import annotations

import re

import pytest

from domicile.web.pages.assets import load_assets

_COLOUR = re.compile(r"--([a-z-]+): #([0-9a-f]{6});")


def test_assets_name_nothing_outside_this_service() -> None:
    """No font, no library, no picture of another host; the only address is the name of SVG."""
    for name, asset in load_assets().items():
        addresses = set(re.findall(r"https?://[^\s\"')]+", asset.content.decode()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, name


def test_script_never_builds_html_from_text() -> None:
    """Words of documents and models become text nodes; the policy would stop anything else."""
    for name, asset in load_assets().items():
        for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert sink not in asset.content.decode(), name


def _themes() -> dict[str, dict[str, str]]:
    """The colours of both appearances, by name; dark is written twice, for the system's wish and for the visitor's."""
    style = load_assets()["domicile.css"].content.decode()
    light, *dark = [dict(_COLOUR.findall(block)) for block in re.findall(r"{([^{}]*--ground: [^{}]*)}", style)]
    assert len(dark) == 2
    assert dark[0] == dark[1]
    return {"light": light, "dark": dark[0]}


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("text", "ground"),
        ("text", "surface"),
        ("text", "raised"),
        ("text", "mark"),
        ("text", "accent-soft"),
        ("text", "warn-soft"),
        ("text", "bad-soft"),
        ("muted", "ground"),
        ("muted", "surface"),
        ("muted", "raised"),
        ("muted", "accent-soft"),
        ("accent", "ground"),
        ("accent", "surface"),
        ("accent", "accent-soft"),
        ("accent-text", "accent"),
        ("warn", "warn-soft"),
        ("bad", "bad-soft"),
        ("bad", "ground"),
    ],
)
def test_words_can_be_read_on_their_ground(theme: str, text: str, ground: str) -> None:
    """At least 4.5 to 1 (WCAG 2.2, criterion 1.4.3), in light and in dark."""
    colours = _themes()[theme]
    low, high = sorted((_luminance(colours[text]), _luminance(colours[ground])))
    assert (high + 0.05) / (low + 0.05) >= 4.5
