"""The policies that are shipped, for tests that need real decisions."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from tests.fakes.people import tenant, uid

from domicile.access.inforce import Layer, PoliciesInForce
from domicile.domain.policies import WrittenPolicies
from domicile.domain.values import Region
from domicile.policy.bundle import PolicyBundle
from domicile.policy.decision import DecisionPoint

POLICIES = Path(__file__).parents[2] / "policies"


def shipped_sources() -> tuple[str, dict[str, str]]:
    """The schema's text, and each policy file's text by its name."""
    schema = (POLICIES / "schema.cedarschema").read_text(encoding="utf-8")
    return schema, {path.name: path.read_text(encoding="utf-8") for path in sorted(POLICIES.glob("*.cedar"))}


def shipped_regions() -> str:
    """The text of ``regions.yaml``."""
    return (POLICIES / "regions.yaml").read_text(encoding="utf-8")


@cache
def shipped_bundle() -> PolicyBundle:
    """Parsed once per test run; a bundle is immutable."""
    return PolicyBundle.parse(*shipped_sources(), shipped_regions())


def shipped_decisions() -> DecisionPoint:
    return DecisionPoint(shipped_bundle())


def shipped_in_force() -> PoliciesInForce:
    """What a gate decides with, where no tenant has policies of its own."""
    return PoliciesInForce(shipped_decisions())


def written_policies(text: str, version: int = 1, of: UUID | None = None) -> WrittenPolicies:
    """A version of a tenant's own policies: acme's, unless another tenant is named."""
    digest = sha256(text.encode()).hexdigest()
    return WrittenPolicies(of or tenant().id, version, digest, uid("ada"), datetime(2026, 3, 14, tzinfo=UTC), text)


def layer(platform: DecisionPoint, text: str, version: int = 1, of: UUID | None = None) -> Layer:
    """That text in force over the platform's policies."""
    written = written_policies(text, version, of)
    return Layer(written, platform.by(platform.bundle.with_tenant(written.tenant_id, {"tenant.cedar": text})))


#: The shipped regions, where what flows within the European Union had a legal basis for some time only.
LAPSED = shipped_regions().replace(
    "    reference: GDPR Art. 1(3)\n", "    reference: GDPR Art. 1(3)\n    expires: 2025-03-13\n"
)


def decisions(*components: Region, regions: str | None = None) -> DecisionPoint:
    """The shipped policies for a cell whose operator declared those regions for components, over that ``regions.yaml``."""
    bundle = shipped_bundle() if regions is None else PolicyBundle.parse(*shipped_sources(), regions)
    return DecisionPoint(bundle, components)
