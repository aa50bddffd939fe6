"""Hypothesis strategies for small worlds: few tenants, groups, collections and regions, so that they often coincide."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from tests.fakes.people import NOON, collection, document, group, principal, tenant, uid

from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.marks import ALWAYS, FOREVER, NOBODY, Validity
from domicile.domain.principals import AuthenticationMethod, Caller, Grant, Principal, Strength
from domicile.domain.values import Classification, Region, Role

REGIONS = [Region("eu-de"), Region("eu-fr"), Region("us-va")]
TENANTS = [tenant("acme"), tenant("globex")]
GROUPS = [group(slug, of) for of in TENANTS for slug in ("finance", "legal", "board")]
COLLECTIONS = [collection(slug, of) for of in TENANTS for slug in ("handbook", "contracts", "minutes")]

regions = st.sampled_from(REGIONS)
classifications = st.sampled_from(Classification)
group_sets = st.frozensets(st.sampled_from([each.id for each in GROUPS]), max_size=3)
label_sets = st.frozensets(st.sampled_from(["hr", "archive", "works-council"]), max_size=2)
owners = st.sampled_from([NOBODY, *(principal(login, of).id for of in TENANTS for login in ("mia", "ben"))])
#: Mostly valid when callers come; some not yet, some no longer.
_MINUTES = [int(NOON.timestamp()) + 60 * minutes for minutes in (-2, -1, 0, 1, 2)]
validities = st.just(ALWAYS) | st.lists(st.sampled_from([0, *_MINUTES, FOREVER]), min_size=2, max_size=2, unique=True).map(
    lambda ends: Validity(*sorted(ends))
)


@st.composite
def documents(draw: st.DrawFn) -> DocumentAttributes:
    return document(
        draw(st.sampled_from("abcdef")),
        draw(st.sampled_from(TENANTS)),
        in_collection=draw(st.sampled_from(COLLECTIONS)),
        region=draw(regions),
        classification=draw(classifications),
        groups=draw(group_sets),
        owner=draw(owners),
        labels=draw(label_sets),
        personal_data=draw(st.booleans()),
        validity=draw(validities),
    )


@st.composite
def principals(draw: st.DrawFn) -> Principal:
    return principal(
        draw(st.sampled_from(["mia", "ben"])),
        draw(st.sampled_from(TENANTS)),
        role=draw(st.sampled_from(Role)),
        clearance=draw(classifications),
        groups=draw(group_sets),
        disabled=draw(st.integers(0, 7)) == 0,
    )


grants = st.builds(
    Grant,
    st.none() | st.frozensets(st.sampled_from([action.value for action in Action]), max_size=4),
    st.none() | st.frozensets(st.sampled_from([each.id for each in COLLECTIONS]), max_size=4),
)


@st.composite
def callers(draw: st.DrawFn) -> Caller:
    """Mostly in their own tenant; now and then one whose tenant is not its principal's, which must never be let in."""
    who = draw(principals())
    own = next(each for each in TENANTS if each.id == who.tenant_id)
    acting_in = draw(st.sampled_from(TENANTS)) if draw(st.integers(0, 9)) == 0 else own
    method = draw(st.sampled_from(AuthenticationMethod))
    allowing = draw(st.frozensets(regions, max_size=2))
    return Caller(
        who,
        replace(acting_in, allowed_regions=allowing),
        method,
        draw(grants),
        uid("credential"),
        draw(st.sampled_from(["unknown", "eu-de"])),
        purpose=draw(st.sampled_from(["", "support"])),
        strength=draw(st.sampled_from(Strength)),
        at=draw(st.sampled_from([NOON, NOON + timedelta(seconds=59), None])),
    )
