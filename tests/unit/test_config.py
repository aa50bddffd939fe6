"""Settings come from the environment, typed, and a wrong one is refused with a sentence that helps."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from domicile.config import Settings, load_settings, read_secret, resource_dir
from domicile.domain.errors import ConfigurationError

NEEDED = {"DOMICILE_DATA_DIR": "/srv/cell", "DOMICILE_REGION": "eu-de"}


def test_values_are_typed() -> None:
    """Numbers, switches, lists and paths arrive as what they are."""
    settings = load_settings(
        {**NEEDED, "DOMICILE_PORT": "9000", "DOMICILE_SECURE_COOKIES": "true", "DOMICILE_LANGUAGES": "de, fr"}
    )
    assert (settings.data_dir, settings.port, settings.secure_cookies) == (Path("/srv/cell"), 9000, True)
    assert settings.languages == ("de", "fr")


@pytest.mark.parametrize("missing", sorted(NEEDED))
def test_there_is_no_default_folder_and_no_default_region(missing: str) -> None:
    """Residency has to be declared: the refusal names the variable."""
    with pytest.raises(ConfigurationError, match=missing):
        load_settings({name: value for name, value in NEEDED.items() if name != missing})


def test_a_misspelt_name_is_refused_instead_of_ignored() -> None:
    """An ignored DOMICILE_QDRANT_REGOIN would silently mean that no region was declared."""
    with pytest.raises(ConfigurationError, match="DOMICILE_QDRANT_REGOIN"):
        load_settings({**NEEDED, "DOMICILE_QDRANT_REGOIN": "eu-de"})


@pytest.mark.parametrize(("name", "value"), [("PORT", "eighty"), ("SECURE_COOKIES", "maybe"), ("LLM_STALL_SECONDS", "soon")])
def test_a_malformed_value_is_refused_by_name(name: str, value: str) -> None:
    """The sentence names the variable, not a Python exception."""
    with pytest.raises(ConfigurationError, match=f"DOMICILE_{name}"):
        load_settings({**NEEDED, f"DOMICILE_{name}": value})


@pytest.mark.parametrize("name", ["POLICY_SIGNERS", "ALLOWED_HOSTS"])
@pytest.mark.parametrize("value", [",", " ", " , ,"])
def test_a_list_that_names_nothing_is_refused(name: str, value: str) -> None:
    """A template that was filled with nothing would silently mean any host, or policies that nobody signed."""
    with pytest.raises(ConfigurationError, match=f"DOMICILE_{name} names nothing"):
        load_settings({**NEEDED, f"DOMICILE_{name}": value})


def test_the_command_line_goes_before_the_environment() -> None:
    """And an option that was not given overrides nothing."""
    settings = load_settings({**NEEDED, "DOMICILE_PORT": "9000"}, port=9001, host=None)
    assert (settings.port, settings.host) == (9001, "127.0.0.1")


def test_the_root_key_lies_apart_from_the_data() -> None:
    """A copy of the data folder must not carry its own key."""
    settings = load_settings(NEEDED)
    assert not settings.root_key_path.is_relative_to(settings.data_dir)


def test_an_unreadable_secret_is_refused_without_its_content(tmp_path: Path) -> None:
    """The sentence names the file only."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    assert read_secret(secret) == "hunter2"
    assert read_secret(None) == ""
    with pytest.raises(ConfigurationError, match="missing"):
        read_secret(tmp_path / "missing")


@pytest.mark.parametrize("name", ["migrations", "policies", "samples"])
def test_resources_are_found_in_the_source_tree(name: str) -> None:
    """The wheel carries them inside the package instead."""
    assert resource_dir(name).is_dir()


def test_every_setting_is_documented() -> None:
    """The table names each variable once."""
    documented = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
    for field in fields(Settings):
        assert documented.count(f"`DOMICILE_{field.name.upper()}` |") == 1
