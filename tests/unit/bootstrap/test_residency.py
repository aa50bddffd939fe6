"""Nothing is opened unless every component is declared to be where policy allows."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.clock import FixedClock

from domicile.bootstrap.office import decision_point
from domicile.bootstrap.residency import cell_region, check_residency, component_regions, components
from domicile.config import Settings
from domicile.domain.errors import ConfigurationError, ResidencyViolation
from domicile.domain.values import Region

EVERY_KIND = {
    "database": ("database_url", "database_region"),
    "vector-index": ("qdrant_url", "qdrant_region"),
    "blob-store": ("blob_url", "blob_region"),
    "model": ("llm_url", "llm_region"),
    "telemetry": ("otlp_endpoint", "otlp_region"),
}


def declared(**values: object) -> Settings:
    return Settings(**{"data_dir": Path("/nowhere"), "region": "eu-de", **values})


def checked(settings: Settings) -> None:
    check_residency(settings, decision_point(settings), FixedClock())


def test_an_embedded_cell_has_no_components_elsewhere() -> None:
    """What runs in the process is where the process is."""
    settings = declared()
    assert list(components(settings)) == []
    checked(settings)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_component_is_checked(kind: str) -> None:
    """Each kind passes in the cell's region, and is refused without a region, in another one, and with what is none."""
    address, region = EVERY_KIND[kind]
    checked(declared(**{address: "x://host", region: "eu-de"}))
    for wrong in ("", "us-va", "Frankfurt"):
        with pytest.raises(ResidencyViolation) as raised:
            checked(declared(**{address: "x://host", region: wrong}))
        assert kind in str(raised.value)
        assert f"DOMICILE_{region.upper()}" in str(raised.value)


def test_all_faults_are_told_at_once() -> None:
    """An operator should not have to start five times to learn of five mistakes."""
    values = {address: "x://host" for address, _ in EVERY_KIND.values()}
    with pytest.raises(ResidencyViolation) as raised:
        checked(declared(**values))
    assert all(kind in str(raised.value) for kind in EVERY_KIND)
    assert len(raised.value.members["components"]) == len(EVERY_KIND)


def test_one_right_component_does_not_excuse_a_wrong_one() -> None:
    """Only the wrong one is named."""
    settings = declared(database_url="x://host", database_region="eu-de", llm_url="x://host", llm_region="us-va")
    with pytest.raises(ResidencyViolation) as raised:
        checked(settings)
    assert "model" in str(raised.value)
    assert "database" not in str(raised.value)


def test_the_operator_can_declare_further_regions_for_components() -> None:
    """And only those that were declared."""
    checked(declared(llm_url="x://host", llm_region="eu-fr", component_regions=("eu-fr",)))
    with pytest.raises(ResidencyViolation):
        checked(declared(llm_url="x://host", llm_region="us-va", component_regions=("eu-fr",)))


def test_the_refusal_never_repeats_an_address() -> None:
    """An address can carry a credential that somebody put there against the documentation."""
    with pytest.raises(ResidencyViolation) as raised:
        checked(declared(llm_url="https://user:hunter2@host", llm_region="us-va"))
    assert "hunter2" not in str(raised.value)


def test_region_names_are_checked_where_they_are_declared() -> None:
    """The error names the variable."""
    assert cell_region(declared()) == Region("eu-de")
    assert component_regions(declared(component_regions=("eu-fr",))) == [Region("eu-fr")]
    with pytest.raises(ConfigurationError, match="DOMICILE_REGION"):
        cell_region(declared(region="Germany"))
    with pytest.raises(ConfigurationError, match="DOMICILE_COMPONENT_REGIONS"):
        component_regions(declared(component_regions=("eu-fr", "everywhere")))
