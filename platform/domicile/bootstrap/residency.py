"""Where every component is, and whether policy allows it there: checked before anything is opened (invariant 1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from urllib.parse import unquote, urlsplit

from domicile.access.administration import Administration
from domicile.access.residency import BY_GUARD, BY_LOOPBACK, BY_NETWORK, BY_TLS, IN_PROCESS, ComponentView, Placed, viewed
from domicile.access.transfers import Flow
from domicile.adapters.egress.destinations import QDRANT_GRPC_PORT, destinations, shown
from domicile.bootstrap.provider_file import Entry, FileEntry, KmsEntry, Pkcs11Entry, VaultEntry, provider_entries
from domicile.bootstrap.transport import is_on_this_machine, transport_faults
from domicile.config import Settings
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError, ConfigurationError, ResidencyViolation, TransportUnprotected
from domicile.domain.principals import Caller, Tenant
from domicile.domain.transfers import Unit
from domicile.domain.values import Region
from domicile.policy.decision import DecisionPoint
from domicile.policy.regions import DataKind, RegionBook
from domicile.policy.request import Request
from domicile.ports.clock import Clock
from domicile.ports.keys import ROOT_PROVIDER

#: What goes to each kind of component. Content is encrypted everywhere but on its way to and from a model.
_DATA = {
    "database": ("metadata", "encrypted-content", "audit"),
    "key-store": ("wrapped-keys",),
    "vector-index": ("metadata", "vectors", "encrypted-content"),
    "blob-store": ("encrypted-content",),
    "model": ("content",),
    "telemetry": ("telemetry",),
    "embedder": ("content",),
    "jobs": ("metadata",),
}
#: What a key provider has. A key file is read by the cell itself; every other one is given tenants' keys to wrap.
_KEY_FILE, _KEY_SERVICE = ("root-key",), ("root-key", "tenant-keys")

#: As what that counts where it flows to another region, which needs a legal basis for each kind.
_FLOWS = {
    "database": (DataKind.CONTENT, DataKind.METADATA),
    "key-store": (DataKind.KEYS,),
    "vector-index": (DataKind.CONTENT, DataKind.METADATA),
    "blob-store": (DataKind.CONTENT,),
    "model": (DataKind.CONTENT,),
    "telemetry": (DataKind.TELEMETRY,),
    "keys": (DataKind.KEYS,),
}


@dataclass(frozen=True, slots=True)
class Component:
    """Something outside this process that data flows to.

    ``setting`` is the setting of its address and ``variable`` the one that declares its region. ``name`` tells several of one
    kind apart.
    """

    kind: str
    address: str
    region: str
    setting: str
    variable: str
    confined: str
    name: str = ""

    @property
    def title(self) -> str:
        return f"key provider '{self.name}'" if self.name else self.kind

    @property
    def way(self) -> str:
        """Under what ``Outbound`` has its address."""
        return f"{self.kind}:{self.name}" if self.name else self.kind


def components(settings: Settings) -> Iterator[Component]:
    """Every component outside this process that the settings name. What is embedded is where the cell is."""
    blobs = settings.blob_endpoint or settings.blob_url
    blob_setting = "DOMICILE_BLOB_ENDPOINT" if settings.blob_endpoint else "DOMICILE_BLOB_URL"
    declared = (
        # The job queue's driver connects in native code, whatever the database's own driver does.
        ("database", settings.database_url, settings.database_region, "DATABASE_URL", "DATABASE_REGION", BY_NETWORK),
        ("key-store", settings.key_store_url, settings.key_store_region, "KEY_STORE_URL", "KEY_STORE_REGION", BY_GUARD),
        ("vector-index", settings.qdrant_url, settings.qdrant_region, "QDRANT_URL", "QDRANT_REGION", BY_NETWORK),
        ("blob-store", blobs, settings.blob_region, blob_setting.removeprefix("DOMICILE_"), "BLOB_REGION", BY_NETWORK),
        ("model", settings.llm_url, settings.llm_region, "LLM_URL", "LLM_REGION", BY_GUARD),
        ("telemetry", settings.otlp_endpoint, settings.otlp_region, "OTLP_ENDPOINT", "OTLP_REGION", BY_GUARD),
    )
    for kind, address, region, setting, variable, confined in declared:
        if address:
            yield Component(kind, address, region, f"DOMICILE_{setting}", f"DOMICILE_{variable}", confined)
    for each in provider_entries(settings):
        if isinstance(each, KmsEntry | VaultEntry):
            file = "DOMICILE_KEY_PROVIDERS_FILE"
            yield Component("keys", each.service_url, each.region, file, file, BY_GUARD, each.name)


def way(provider: Entry) -> str:
    """Under what ``Outbound`` has the address of a key provider outside of this machine."""
    return f"keys:{provider.name}"


def shown_provider(provider: Entry) -> str:
    """Where it is, for people to read."""
    match provider:
        case FileEntry():
            return "key file of this machine"
        case Pkcs11Entry():
            return "PKCS#11 module on this machine"
        case KmsEntry() | VaultEntry():
            return shown(provider.service_url)


def cell_region(settings: Settings) -> Region:
    """The cell's own region; raises ``ConfigurationError`` for what is no region name."""
    return _region(settings.region, "DOMICILE_REGION")


def component_regions(settings: Settings) -> list[Region]:
    """The further regions that the operator declared for components."""
    return [_region(name, "DOMICILE_COMPONENT_REGIONS") for name in settings.component_regions]


def cell_caller(settings: Settings, clock: Clock) -> Caller:
    """The cell itself, which lets data flow to its components on behalf of no tenant in particular."""
    declared = frozenset(component_regions(settings))
    return Administration.operator_caller(Tenant(clock.new_id(), "cell", "cell", cell_region(settings), declared), clock.now())


def check_residency(settings: Settings, decisions: DecisionPoint, clock: Clock) -> None:
    """Raise ``ResidencyViolation``, naming every component that may not be used, and why.

    That is one without a usable address, without a region, in one that policy denies, in another one than the cell's without
    a legal basis for what would flow there, or outside this machine without TLS. If nothing but that is wrong,
    ``TransportUnprotected``.
    """
    here = cell_region(settings)
    caller = cell_caller(settings, clock)
    today, book, declared = clock.now().date(), decisions.bundle.regions, list(components(settings))
    faults = [fault for each in declared for fault in _faults(each, here, decisions, caller)]
    faults += _keys_with_the_data(settings)
    faults += [fault for each in declared for fault in _baseless(each, here, book, today)]
    faults += _displaced(settings, here)
    unprotected = [fault for each in declared for fault in transport_faults(each.title, each.address, each.setting)]
    told = f"This cell is in {here}: {'; '.join([*faults, *unprotected])}."
    if faults:
        raise ResidencyViolation(told, components=[*faults, *unprotected])
    if unprotected:
        raise TransportUnprotected(told, components=unprotected)


def placed(settings: Settings) -> list[Placed]:
    """Every component with its address and region, those in this process included. Residency has to be checked before."""
    here = cell_region(settings)
    outside = {
        each.kind: Placed(
            each.kind,
            shown(each.address),
            Region(each.region),
            _DATA[each.kind],
            each.confined,
            _protection(each.address),
        )
        for each in components(settings)
        if each.kind != "keys"
    }
    embedded = {
        "database": "SQLite in the data folder",
        "key-store": "SQLite beside the root key",
        "vector-index": "engine in this process",
        "blob-store": "folder in the data folder",
        "model": "extractive, in this process",
        "embedder": "in this process",
    }
    if "database" not in outside:
        embedded["jobs"] = "SQLite in the data folder"
    inside = {kind: Placed(kind, address, here, _DATA[kind]) for kind, address in embedded.items()}
    return [*(inside | outside).values(), *(_placed_provider(each) for each in provider_entries(settings))]


def standing_flows(settings: Settings) -> list[Flow]:
    """What flows to components in other regions for as long as the cell runs. Residency has to be checked before.

    Not what flows to a model: that is an answer's own transfer.
    """
    here = cell_region(settings)
    elsewhere = [each for each in components(settings) if each.kind != "model" and Region(each.region) != here]
    return [
        Flow(here, Region(each.region), kind, 1, Unit.COMPONENTS, each.kind) for each in elsewhere for kind in _FLOWS[each.kind]
    ]


def inventory(settings: Settings, decisions: DecisionPoint, clock: Clock) -> list[ComponentView]:
    """The live inventory, as ``domicile doctor`` shows it; raises as ``check_residency`` does."""
    check_residency(settings, decisions, clock)
    here = cell_region(settings)
    caller = cell_caller(settings, clock)
    found = placed(settings)
    answers = decisions.decide_many([Request(caller, Action.ENDPOINT_USE, each.resource, here) for each in found])
    return list(viewed(found, lambda _: answers))


def addresses(settings: Settings) -> dict[str, tuple[str, ...]]:
    """What each component's client connects to, by kind: the declared address, then what its client finds from that."""
    ways: dict[str, tuple[str, ...]] = {each.way: (each.address,) for each in components(settings)}
    if settings.qdrant_url:
        ways["vector-index"] += tuple(f"grpc://{each.host}:{QDRANT_GRPC_PORT}" for each in destinations(settings.qdrant_url))
    return ways


def _faults(component: Component, here: Region, decisions: DecisionPoint, caller: Caller) -> Iterator[str]:
    try:
        destinations(component.address)
    except ConfigurationError as error:
        yield f"the {component.title}'s address cannot be used: {error} ({component.setting})"
    if not component.region:
        yield f"the {component.title} declares no region ({component.variable})"
        return
    try:
        region = Region(component.region)
    except CallerError:
        yield f"the {component.title} declares what is no region name ({component.variable})"
        return
    resource = Placed(component.kind, "", region, ()).resource
    if not decisions.decide(Request(caller, Action.ENDPOINT_USE, resource, here)).allowed:
        yield f"the {component.title} is in {region}, which policy does not allow ({component.variable})"


def _keys_with_the_data(settings: Settings) -> Iterator[str]:
    """Keys are kept and backed up apart from the data, or a restored backup could read what was erased."""
    if settings.key_store_url and _meant(settings.key_store_url) == _meant(settings.database_url):
        yield "the key-store is the database itself (DOMICILE_KEY_STORE_URL)"


def _meant(url: str) -> tuple[object, ...]:
    """Which database it is, whoever enters it and however its address is spelt."""
    try:
        places = frozenset(destinations(url))
    except ConfigurationError:  # which is another fault, told elsewhere
        return (url,)
    parts = urlsplit(url)
    return places, unquote(parts.path.strip("/") or parts.username or "")


def _baseless(component: Component, here: Region, book: RegionBook, today: date) -> Iterator[str]:
    """What would flow to another region without a legal basis today."""
    try:
        there = Region(component.region)
    except CallerError:
        return
    missing = [] if there == here else [kind for kind in _FLOWS[component.kind] if not book.transfer(here, there, kind, today)]
    if missing:
        kinds = " and ".join(kind.value for kind in missing)
        yield f"nothing in regions.yaml permits {kinds} to flow to the {component.title} in {there} ({component.variable})"


def _displaced(settings: Settings, here: Region) -> list[str]:
    """Key providers on this machine that are said to be somewhere else."""
    return [
        f"the key provider '{each.name}' is a {each.kind} on this machine and declared in {each.region}"
        for each in provider_entries(settings)
        if isinstance(each, FileEntry | Pkcs11Entry) and each.region != here.name
    ]


def _placed_provider(provider: Entry) -> Placed:
    """A module is native code, which may connect to its HSM by itself: the guard sees nothing of that."""
    own_file = isinstance(provider, FileEntry) and provider.name == ROOT_PROVIDER
    address = shown_provider(provider) if own_file else f"{provider.name}: {shown_provider(provider)}"
    confined = {FileEntry: IN_PROCESS, Pkcs11Entry: BY_NETWORK}.get(type(provider), BY_GUARD)
    data = _KEY_FILE if isinstance(provider, FileEntry) else _KEY_SERVICE
    way = _protection(provider.service_url) if isinstance(provider, KmsEntry | VaultEntry) else IN_PROCESS
    return Placed("keys", address, Region(provider.region), data, confined, way)


def _protection(address: str) -> str:
    """What keeps it from others on its way to a component; what does neither has been refused."""
    return BY_LOOPBACK if is_on_this_machine(address) else BY_TLS


def _region(name: str, variable: str) -> Region:
    try:
        return Region(name)
    except CallerError:
        # Not repeated, like no other value of a setting: it may be a secret that was meant for another one.
        raise ConfigurationError(f"{variable} is not a region name.", hint="Write it like 'eu-de'.") from None
