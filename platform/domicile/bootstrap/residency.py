"""Where every component is, and whether policy allows it there: checked before anything is opened (invariant 1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from domicile.access.administration import Administration
from domicile.config import Settings
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError, ConfigurationError, ResidencyViolation
from domicile.domain.principals import Tenant
from domicile.domain.values import Region
from domicile.policy.decision import DecisionPoint
from domicile.policy.request import EndpointResource, Request
from domicile.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class Component:
    """Something that data flows to. ``variable`` is the setting that declares its region."""

    kind: str
    address: str
    region: str
    variable: str


def components(settings: Settings) -> Iterator[Component]:
    """Every component outside this process that the settings name. What is embedded is where the cell is."""
    declared = (
        ("database", settings.database_url, settings.database_region, "DOMICILE_DATABASE_REGION"),
        ("vector-index", settings.qdrant_url, settings.qdrant_region, "DOMICILE_QDRANT_REGION"),
        ("blob-store", settings.blob_url, settings.blob_region, "DOMICILE_BLOB_REGION"),
        ("model", settings.llm_url, settings.llm_region, "DOMICILE_LLM_REGION"),
        ("telemetry", settings.otlp_endpoint, settings.otlp_region, "DOMICILE_OTLP_REGION"),
    )
    for kind, address, region, variable in declared:
        if address:
            yield Component(kind, address, region, variable)


def cell_region(settings: Settings) -> Region:
    """The cell's own region; raises ``ConfigurationError`` for what is no region name."""
    return _region(settings.region, "DOMICILE_REGION")


def component_regions(settings: Settings) -> list[Region]:
    """The further regions that the operator declared for components."""
    return [_region(name, "DOMICILE_COMPONENT_REGIONS") for name in settings.component_regions]


def check_residency(settings: Settings, decisions: DecisionPoint, clock: Clock) -> None:
    """Raise ``ResidencyViolation``, naming every component without a region or in one that policy does not allow."""
    here = cell_region(settings)
    faults = [fault for each in components(settings) if (fault := _fault(each, here, decisions, clock))]
    if faults:
        raise ResidencyViolation(f"This cell is in {here}: {'; '.join(faults)}.", components=faults)


def _fault(component: Component, here: Region, decisions: DecisionPoint, clock: Clock) -> str:
    if not component.region:
        return f"the {component.kind} declares no region ({component.variable})"
    try:
        region = Region(component.region)
    except CallerError:
        return f"the {component.kind} declares '{component.region}', which is no region name ({component.variable})"
    # The cell itself asks, on behalf of no tenant in particular.
    operator = Administration.operator_caller(Tenant(clock.new_id(), "cell", "cell", here))
    endpoint = EndpointResource(component.kind, component.kind, region)
    allowed = decisions.decide(Request(operator, Action.ENDPOINT_USE, endpoint, here)).allowed
    return "" if allowed else f"the {component.kind} is in {region}, which policy does not allow ({component.variable})"


def _region(name: str, variable: str) -> Region:
    try:
        return Region(name)
    except CallerError as error:
        raise ConfigurationError(f"{variable}: {error}", hint="Write it like 'eu-de'.") from None
