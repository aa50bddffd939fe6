"""Nothing is opened unless every component is declared to be where policy allows."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from tests.fakes.clock import FixedClock
from tests.fakes.provider_files import entry, provider_file

from domicile.access.administration import Administration
from domicile.access.residency import BY_GUARD, BY_NETWORK, BY_TLS, IN_PROCESS, ComponentView
from domicile.bootstrap.office import decision_point
from domicile.bootstrap.residency import (
    addresses,
    cell_region,
    check_residency,
    component_regions,
    components,
    inventory,
    standing_flows,
)
from domicile.config import Settings
from domicile.domain.actions import Action
from domicile.domain.errors import ConfigurationError, ResidencyViolation, TransportUnprotected
from domicile.domain.principals import Tenant
from domicile.domain.values import Region
from domicile.policy.request import EndpointResource, Request

EVERY_KIND = {
    "database": ("database_url", "database_region"),
    "key-store": ("key_store_url", "key_store_region"),
    "vector-index": ("qdrant_url", "qdrant_region"),
    "blob-store": ("blob_url", "blob_region"),
    "model": ("llm_url", "llm_region"),
    "telemetry": ("otlp_endpoint", "otlp_region"),
}


def declared(**values: object) -> Settings:
    return Settings(**{"data_dir": Path("/nowhere"), "region": "eu-de", **values})


def inventoried(**values: object) -> dict[str, ComponentView]:
    """The inventory of such a cell, by kind."""
    settings = declared(**values)
    return {each.kind: each for each in inventory(settings, decision_point(settings), FixedClock())}


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
    checked(declared(**{address: "https://host", region: "eu-de"}))
    for wrong in ("", "us-va", "Frankfurt"):
        with pytest.raises(ResidencyViolation) as raised:
            checked(declared(**{address: "https://host", region: wrong}))
        assert kind in str(raised.value)
        assert f"DOMICILE_{region.upper()}" in str(raised.value)


def test_all_faults_are_told_at_once() -> None:
    """An operator should not have to start five times to learn of five mistakes."""
    values = {address: f"https://{kind}" for kind, (address, _) in EVERY_KIND.items()}
    with pytest.raises(ResidencyViolation) as raised:
        checked(declared(**values))
    assert all(kind in str(raised.value) for kind in EVERY_KIND)
    assert len(raised.value.members["components"]) == len(EVERY_KIND)


def test_keys_do_not_lie_with_the_data() -> None:
    """Whoever restores a backup of the database would restore the keys of what was erased since."""
    same = {"database_url": "postgresql://host/domicile", "database_region": "eu-de", "key_store_region": "eu-de"}
    with pytest.raises(ResidencyViolation, match="the key-store is the database itself"):
        checked(declared(**same, key_store_url=same["database_url"]))
    for spelling in ("postgresql+asyncpg://u@HOST.:5432/domicile?ssl=verify-full", "postgresql:///%64omicile?host=host"):
        with pytest.raises(ResidencyViolation, match="the key-store is the database itself"):
            checked(declared(**same, key_store_url=spelling))
    for other in ("postgresql://host/domicile_keys", "postgresql://host:5433/domicile", "postgresql://keys/domicile"):
        checked(declared(**same, key_store_url=other))


def test_one_right_component_does_not_excuse_a_wrong_one() -> None:
    """Only the wrong one is named."""
    settings = declared(database_url="https://host", database_region="eu-de", llm_url="https://host", llm_region="us-va")
    with pytest.raises(ResidencyViolation) as raised:
        checked(settings)
    assert "model" in str(raised.value)
    assert "database" not in str(raised.value)


def test_the_operator_can_declare_further_regions_for_components() -> None:
    """And only those that were declared."""
    checked(declared(llm_url="https://host", llm_region="eu-fr", component_regions=("eu-fr",)))
    with pytest.raises(ResidencyViolation):
        checked(declared(llm_url="https://host", llm_region="us-va", component_regions=("eu-fr",)))


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


@pytest.mark.parametrize("address", ["sglang", "http://", "host:port:host", "http://[::1", "x://host"])
def test_an_address_that_leads_nowhere_is_refused_at_start(address: str) -> None:
    """Where nobody can tell which host and port it means, nobody could tell whether a connection is the declared one."""
    with pytest.raises(ResidencyViolation, match="DOMICILE_LLM_URL"):
        checked(declared(llm_url=address, llm_region="eu-de"))


def test_a_wrong_address_and_a_wrong_region_are_told_together() -> None:
    """All that is wrong with a component, and with the others, in one go."""
    with pytest.raises(ResidencyViolation) as raised:
        checked(declared(llm_url="sglang", llm_region="us-va", qdrant_url="https://qdrant:6333"))
    faults = [fault for fault in raised.value.members["components"] if "regions.yaml" not in fault]
    assert len(faults) == 3


def test_the_inventory_of_an_embedded_cell_names_every_part_of_it() -> None:
    """Also what is in the process: all of it is in the cell's region, and policy says so."""
    shown = inventoried()
    assert set(shown) == {"database", "key-store", "vector-index", "blob-store", "model", "embedder", "keys", "jobs"}
    assert all(each.allowed and each.region == "eu-de" and each.data and each.policies for each in shown.values())
    assert {(each.confined, each.way) for each in shown.values()} == {(IN_PROCESS, IN_PROCESS)}


def test_the_inventory_shows_addresses_without_credentials_and_who_confines_them() -> None:
    """A client in native code is out of the guard's sight, and the inventory says so."""
    shown = inventoried(
        llm_url="https://user:hunter2@sglang:30000/v1?key=hunter3",
        llm_region="eu-de",
        database_url="postgresql+asyncpg://domicile@postgres/domicile",
        database_region="eu-de",
        otlp_endpoint="https://otel:4318",
        otlp_region="eu-de",
    )
    assert shown["model"].address == "https://sglang:30000"
    assert shown["database"].address == "postgresql://postgres:5432"
    assert (shown["model"].confined, shown["database"].confined) == (BY_GUARD, BY_NETWORK)
    assert {each.way for each in shown.values()} == {"tls", "in-process"}
    assert "jobs" not in shown  # they are in the database
    assert "hunter" not in str(shown)


def test_what_a_client_finds_for_itself_is_declared_with_its_component() -> None:
    """Qdrant's client is given the port of one interface and connects to another one."""
    settings = declared(qdrant_url="https://qdrant:6333", qdrant_region="eu-de", blob_url="s3://b", blob_endpoint="https://s3")
    assert addresses(settings)["vector-index"] == ("https://qdrant:6333", "grpc://qdrant:6334")
    assert addresses(settings)["blob-store"] == ("https://s3",)


def test_a_region_that_the_operator_declared_still_needs_a_legal_basis() -> None:
    """Declaring a region for components is the operator's word; what may flow there is in regions.yaml."""
    settings = declared(llm_url="https://host", llm_region="us-va", component_regions=("us-va", "xx-nowhere"))
    with pytest.raises(ResidencyViolation, match=r"nothing in regions\.yaml permits content to flow to the model in us-va"):
        checked(settings)
    unknown = declared(database_url="postgresql://host", database_region="xx-nowhere", component_regions=("xx-nowhere",))
    with pytest.raises(ResidencyViolation, match="content and metadata to flow"):
        checked(unknown)
    checked(declared(llm_url="https://host", llm_region="eu-fr", component_regions=("eu-fr",)))


def test_what_flows_to_components_elsewhere_for_as_long_as_the_cell_runs_is_known() -> None:
    """Each kind of data for each store; nothing for what is at home, and nothing for the model: that is an answer's own."""
    settings = declared(
        database_url="postgresql://host",
        database_region="eu-fr",
        key_store_url="postgresql://host/keys",
        key_store_region="eu-fr",
        llm_url="http://host",
        llm_region="eu-fr",
        qdrant_url="https://host",
        qdrant_region="eu-de",
        otlp_endpoint="https://host",
        otlp_region="eu-nl",
        component_regions=("eu-fr", "eu-nl"),
    )
    flows = [(each.component, each.kind, each.source.name, each.target.name) for each in standing_flows(settings)]
    assert flows == [
        ("database", "content", "eu-de", "eu-fr"),
        ("database", "metadata", "eu-de", "eu-fr"),
        ("key-store", "keys", "eu-de", "eu-fr"),
        ("telemetry", "telemetry", "eu-de", "eu-nl"),
    ]
    assert standing_flows(declared()) == []


def test_a_tenants_own_provider_has_to_be_where_that_tenant_allows() -> None:
    """Also where the operator declared that region for components: one tenant's consent is not another's."""
    decisions = decision_point(declared(component_regions=("eu-fr",)))
    here, lyon = Region("eu-de"), Region("eu-fr")

    def allowed(*further: Region) -> bool:
        tenant = Tenant(UUID(int=1), "acme", "Acme", here, frozenset(further))
        caller = Administration.operator_caller(tenant, FixedClock().now())
        return decisions.decide(Request(caller, Action.ENDPOINT_USE, EndpointResource("keys", "acme", lyon), here)).allowed

    assert allowed(lyon)
    assert not allowed()


def test_key_providers_are_components_each_by_its_name(tmp_path: Path) -> None:
    """Those outside of this machine are checked, permitted and shown like others; a module only the network holds."""
    path = provider_file(
        tmp_path, entry("aws-kms"), entry("vault", "globex"), entry("pkcs11", "initech"), entry("file", "umbrella")
    )
    settings = declared(key_providers_file=path)
    shown = {each.address: each for each in inventory(settings, decision_point(settings), FixedClock()) if each.kind == "keys"}
    assert [(address, each.confined, each.data) for address, each in shown.items()] == [
        ("key file of this machine", IN_PROCESS, ("root-key",)),
        ("acme: https://kms.eu-central-1.amazonaws.com:443", BY_GUARD, ("root-key", "tenant-keys")),
        ("globex: https://vault.example:8200", BY_GUARD, ("root-key", "tenant-keys")),
        ("initech: PKCS#11 module on this machine", BY_NETWORK, ("root-key", "tenant-keys")),
        ("umbrella: key file of this machine", IN_PROCESS, ("root-key",)),
    ]
    assert all(each.allowed and each.region == "eu-de" for each in shown.values())
    assert [each.way for each in shown.values()] == [IN_PROCESS, BY_TLS, BY_TLS, IN_PROCESS, IN_PROCESS]
    assert addresses(settings) == {
        "keys:acme": ("https://kms.eu-central-1.amazonaws.com",),
        "keys:globex": ("https://vault.example:8200",),
    }
    assert standing_flows(settings) == []


@pytest.mark.parametrize("kind", ["aws-kms", "vault"])
def test_a_key_provider_elsewhere_needs_a_declaration_and_a_legal_basis(tmp_path: Path, kind: str) -> None:
    """As any component does; what flows there for as long as the cell runs is keys."""
    elsewhere = {"key_providers_file": provider_file(tmp_path, entry(kind, region="eu-fr"))}
    with pytest.raises(ResidencyViolation, match="the key provider 'acme' is in eu-fr, which policy does not allow"):
        checked(declared(**elsewhere))
    settings = declared(**elsewhere, component_regions=("eu-fr",))
    checked(settings)
    flows = [(each.component, each.kind, each.source.name, each.target.name) for each in standing_flows(settings)]
    assert flows == [("keys", "keys", "eu-de", "eu-fr")]
    unknown = {"key_providers_file": provider_file(tmp_path, entry(kind, region="us-va"))}
    with pytest.raises(ResidencyViolation, match="permits keys to flow to the key provider 'acme' in us-va"):
        checked(declared(**unknown, component_regions=("us-va",)))


@pytest.mark.parametrize("kind", ["file", "pkcs11"])
@pytest.mark.parametrize("name", ["acme", "root"])
def test_a_key_on_this_machine_is_where_the_cell_is(tmp_path: Path, kind: str, name: str) -> None:
    """Whatever somebody declared about it."""
    path = provider_file(tmp_path, entry(kind, name, region="eu-fr"))
    with pytest.raises(ResidencyViolation, match=f"the key provider '{name}' is a {kind} on this machine"):
        checked(declared(key_providers_file=path, component_regions=("eu-fr",)))


def test_every_component_outside_this_machine_has_to_be_reached_by_tls() -> None:
    """All that are not are named at once, with their settings; the database's drivers speak it without being told."""
    plain = {address: f"http://{kind}:1" for kind, (address, _) in EVERY_KIND.items()}
    settings = declared(**plain, **{region: "eu-de" for _, region in EVERY_KIND.values()})
    with pytest.raises(TransportUnprotected) as raised:
        checked(settings)
    assert len(raised.value.members["components"]) == len(EVERY_KIND)
    assert all(each in str(raised.value) for each in ("DOMICILE_QDRANT_URL", "DOMICILE_LLM_URL", "DOMICILE_OTLP_ENDPOINT"))
    checked(declared(database_url="postgresql+asyncpg://host/domicile", database_region="eu-de"))


def test_a_wrong_region_and_a_way_in_clear_are_told_together() -> None:
    """In the one sentence with which the cell refuses to start."""
    with pytest.raises(ResidencyViolation, match=r"no region.*not https"):
        checked(declared(llm_url="http://host:1", otlp_endpoint="http://127.0.0.1:4318", otlp_region="eu-de"))


def test_on_this_machine_nothing_has_to_be_encrypted() -> None:
    """The inventory says which way is protected by what."""
    shown = inventoried(
        llm_url="http://127.0.0.1:30000/v1",
        llm_region="eu-de",
        otlp_endpoint="https://[::1]:4318",
        otlp_region="eu-de",
        database_url="postgresql+asyncpg:///domicile?host=/var/run/postgresql",
        database_region="eu-de",
    )
    assert (shown["model"].way, shown["telemetry"].way, shown["database"].way) == ("loopback", "tls", "loopback")
    assert shown["vector-index"].way == "in-process"
