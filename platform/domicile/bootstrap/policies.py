"""Policies and their cases, from a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domicile.config import resource_dir
from domicile.domain.errors import ConfigurationError
from domicile.policy.bundle import PolicyBundle
from domicile.policy.cases import Case, Result, parse_cases, run_cases, untouched

__all__ = ["Case", "Result", "load_bundle", "load_cases", "run_cases", "untouched"]


def load_bundle(folder: Path | None = None) -> PolicyBundle:
    """The bundle in that folder, or the one that is shipped. Raises ``ConfigurationError`` or ``PolicyInvalid``."""
    folder = folder or resource_dir("policies")
    try:
        texts = {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.cedar"))}
        schema = (folder / "schema.cedarschema").read_text("utf-8")
        regions = (folder / "regions.yaml").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"There are no policies in {folder}.", hint="It needs schema.cedarschema, regions.yaml and *.cedar files."
        ) from None
    return PolicyBundle.parse(schema, texts, regions)


def load_cases(folder: Path | None = None) -> Sequence[Case]:
    """The cases in ``cases/`` of that folder, or of what is shipped; none where there is no such folder."""
    folder = (folder or resource_dir("policies")) / "cases"
    try:
        return parse_cases({path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.yaml"))})
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"The cases in {folder} cannot be read.", hint="Check who owns the files.") from None
