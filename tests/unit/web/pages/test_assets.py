"""The pages' own script, style and icon."""

from __future__ import annotations

import re

from domicile.web.pages.assets import load_assets


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
