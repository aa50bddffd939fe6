"""The Kubernetes network policies let through what a cell's settings declare, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from domicile.adapters.egress.destinations import QDRANT_GRPC_PORT, destinations

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "infra" / "kubernetes"
POLICIES = list(yaml.safe_load_all((FOLDER / "network-policies.yaml").read_text("utf-8")))
OUTSIDE = list(yaml.safe_load_all((FOLDER / "component-outside.yaml").read_text("utf-8")))
#: Ours connect; the others only answer.
OURS = ("service", "worker", "init")
COMPONENTS = (*OURS, "postgres", "key-store", "qdrant", "sglang", "otel-collector")
PART_OF, COMPONENT = "app.kubernetes.io/part-of", "app.kubernetes.io/component"


def selects(selector: dict[str, Any], component: str) -> bool:
    """Whether a pod selector selects that component's pods (Kubernetes API: LabelSelector). Empty selects all."""
    labels = {PART_OF: "domicile", COMPONENT: component}
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for each in selector.get("matchExpressions", []):
        assert each["operator"] == "In"
        if labels.get(each["key"]) not in each["values"]:
            return False
    return True


def rules(direction: str, component: str) -> Iterator[dict[str, Any]]:
    """Every rule of that direction that holds for the component's pods."""
    for policy in POLICIES:
        if selects(policy["spec"]["podSelector"], component):
            yield from policy["spec"].get(direction, [])


def lets_through(sender: str, receiver: str, port: int, protocol: str = "TCP") -> bool:
    """Whether both ends' policies permit it."""

    def named(direction: str, own: str, other: str, key: str) -> bool:
        return any(
            {"protocol": protocol, "port": port} in rule["ports"]
            for rule in rules(direction, own)
            for peer in rule[key]
            if "namespaceSelector" not in peer and selects(peer["podSelector"], other)
        )

    return named("egress", sender, receiver, "to") and named("ingress", receiver, sender, "from")


def test_every_document_is_a_network_policy_of_its_own_name() -> None:
    """Of the stable version of the interface, and with the directions that it is about."""
    names = [policy["metadata"]["name"] for policy in [*POLICIES, *OUTSIDE]]
    assert len(set(names)) == len(names)
    for policy in [*POLICIES, *OUTSIDE]:
        assert (policy["apiVersion"], policy["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")
        assert set(policy) == {"apiVersion", "kind", "metadata", "spec"}
        assert "namespace" not in policy["metadata"]
        directions = set(policy["spec"]["policyTypes"])
        assert directions <= {"Ingress", "Egress"}
        assert {direction.capitalize() for direction in ("ingress", "egress") if direction in policy["spec"]} <= directions


def test_by_default_nothing_comes_in_and_nothing_goes_out() -> None:
    """For every pod of the namespace, whatever its labels."""
    (nothing,) = [policy for policy in POLICIES if policy["metadata"]["name"] == "nothing"]
    assert nothing["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_no_rule_is_open() -> None:
    """An empty rule, an empty selector or a network of everything would let everything through."""
    for policy in [*POLICIES, *OUTSIDE]:
        for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
            peers = rule.get("from", []) + rule.get("to", [])
            assert peers
            assert rule["ports"]
            assert all(set(port) == {"protocol", "port"} for port in rule["ports"])
            for peer in peers:
                for selector in (peer[key] for key in ("podSelector", "namespaceSelector") if key in peer):
                    assert selector.get("matchLabels")
                if "namespaceSelector" in peer:
                    assert "podSelector" in peer
                if "ipBlock" in peer:
                    assert ip_network(peer["ipBlock"]["cidr"]).prefixlen >= 24


def declared() -> set[tuple[str, int]]:
    """Every component and port that the Compose file declares to the product's processes."""
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    found = {("qdrant", QDRANT_GRPC_PORT)}
    for url in re.findall(r"(?:postgresql\+asyncpg|https)://[\w@.-]+:\d+", text):
        found |= {(each.host, each.port) for each in destinations(url) if each.host in COMPONENTS}
    return found


def test_what_the_settings_declare_is_let_through() -> None:
    """The same components on the same ports as in the Compose file."""
    assert {host for host, _ in declared()} == {"postgres", "key-store", "qdrant", "sglang", "otel-collector"}
    for component, port in declared():
        for sender in OURS:
            assert lets_through(sender, component, port), (sender, component, port)


def test_nothing_else_is_let_through() -> None:
    """Between any two components, on any port that any of them listens on."""
    permitted = {(sender, component, port) for sender in OURS for component, port in declared()} | {("qdrant", "qdrant", 6335)}
    ports = {port for _, port in declared()} | {6335, 8000, 443, 53}
    found = {
        (sender, receiver, port)
        for sender in COMPONENTS
        for receiver in COMPONENTS
        for port in ports
        if lets_through(sender, receiver, port)
    }
    assert found == permitted


@pytest.mark.parametrize("component", ["postgres", "key-store", "qdrant", "sglang", "otel-collector"])
def test_a_store_or_a_model_reaches_nothing_outside_itself(component: str) -> None:
    """Weights are not fetched and nothing reports home: not even a name can be looked up."""
    targets = [peer for rule in rules("egress", component) for peer in rule["to"]]
    assert all(selects(peer["podSelector"], component) and "namespaceSelector" not in peer for peer in targets)
    assert not targets or component == "qdrant"


def test_only_the_clusters_own_name_server_is_asked() -> None:
    """Outside the namespace nothing else can be reached, and only by those who have addresses to look up."""
    for component in OURS:
        leaving = [rule for rule in rules("egress", component) if any("namespaceSelector" in peer for peer in rule["to"])]
        assert [{port["port"] for port in rule["ports"]} for rule in leaving] == [{53}]
        ((peer,),) = [rule["to"] for rule in leaving]
        assert peer["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}


def test_people_reach_the_service_and_nothing_else() -> None:
    """Through the ingress controller's pods."""
    open_to_others = {
        component
        for component in COMPONENTS
        for rule in rules("ingress", component)
        if any("namespaceSelector" in peer for peer in rule["from"])
    }
    assert open_to_others == {"service"}
