"""Names of people: sealed one by one, opened together, and gone with their keys."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.clock import FixedClock
from tests.fakes.keys import MemoryKeyRing
from tests.fakes.people import principal, tenant, uid, unnamed

from domicile.access.profiles import Profile, Profiles, login_digest
from domicile.domain.errors import DecryptionFailed, InvalidText
from domicile.domain.principals import ApiKey, Grant, Principal
from domicile.domain.values import Region
from domicile.ports.keys import KeyRing

HOME = Region("eu-de")
ACME, GLOBEX = tenant("acme"), tenant("globex")
MIA, BEN, GIA = principal("mia", ACME), principal("ben", ACME), principal("gia", GLOBEX)
NOW = FixedClock().now()


@pytest.fixture
def keys() -> MemoryKeyRing:
    return MemoryKeyRing()


@pytest.fixture
def profiles(keys: MemoryKeyRing) -> Profiles:
    return Profiles(keys=keys, clock=FixedClock(), region=HOME)


async def stored(profiles: Profiles, who: Principal) -> Principal:
    """As it comes from the database."""
    sealed = await profiles.seal(who.tenant_id, {who.id: Profile(who.login, who.display)})
    return replace(unnamed(who), profile=sealed[who.id])


async def key_of(profiles: Profiles, who: Principal, name: str = "key") -> ApiKey:
    assert who.profile
    envelopes = await profiles.seal_labels(who.tenant_id, {uid(name): (who.profile.data_key_id, f"{name} of mine")})
    return ApiKey(uid(name), who.tenant_id, who.id, "", "dom_abc", Grant(), NOW, label_envelope=envelopes[uid(name)])


async def test_names_come_back_as_they_were(profiles: Profiles, keys: MemoryKeyRing) -> None:
    """In order, with one read of the keys however many there are; each has a key of its own, and no envelope shows a name."""
    mia, ben = [await stored(profiles, each) for each in (MIA, BEN)]
    assert mia.profile
    assert ben.profile
    assert mia.profile.data_key_id != ben.profile.data_key_id
    assert not any(name in mia.profile.envelope for name in (b"mia", b"Mia"))
    reads = keys.reads
    named = await profiles.named([ben, mia])
    assert keys.reads == reads + 1
    assert [(each.login, each.display) for each in named] == [("ben", "Ben"), ("mia", "Mia")]
    assert [unnamed(each) for each in named] == [ben, mia]


async def test_a_name_whose_key_is_destroyed_is_an_id(profiles: Profiles, keys: MemoryKeyRing) -> None:
    """No error: whoever is listed beside goes on being named. So is one whose profile was removed."""
    mia, ben = [await stored(profiles, each) for each in (MIA, BEN)]
    assert mia.profile
    key = await key_of(profiles, mia)
    await keys.destroy(ACME.id, [mia.profile.data_key_id])
    for erased in (mia, replace(mia, profile=None)):
        shown, other = await profiles.named([erased, ben])
        assert (shown.login, shown.display, other.login) == (str(MIA.id), str(MIA.id), "ben")
    assert [each.label for each in await profiles.labelled([key])] == [""]
    with pytest.raises(DecryptionFailed):
        await key_of(profiles, mia, "another")


async def test_an_envelope_opens_in_its_own_row_only(profiles: Profiles) -> None:
    """Neither another account's, which brings its key along, nor one of another region's cell, nor an altered one."""
    mia, ben = [await stored(profiles, each) for each in (MIA, BEN)]
    assert mia.profile
    assert ben.profile
    flipped = bytes([*mia.profile.envelope[:-1], mia.profile.envelope[-1] ^ 1])
    for profile in (ben.profile, replace(mia.profile, envelope=ben.profile.envelope), replace(mia.profile, envelope=flipped)):
        with pytest.raises(DecryptionFailed):
            await profiles.named([replace(mia, profile=profile)])
    elsewhere = Profiles(keys=profiles._keys, clock=FixedClock(), region=Region("eu-fr"))
    with pytest.raises(DecryptionFailed):
        await elsewhere.named([mia])


async def test_another_tenants_key_opens_nothing(profiles: Profiles) -> None:
    """A profile that was moved to another tenant's row has no key there."""
    gia = await stored(profiles, GIA)
    (shown,) = await profiles.named([replace(unnamed(MIA), profile=gia.profile)])
    assert shown.login == str(MIA.id)


async def test_a_label_opens_for_its_own_key_only(profiles: Profiles) -> None:
    """Not even for another key of the same account."""
    mia = await stored(profiles, MIA)
    first, second = await key_of(profiles, mia, "first"), await key_of(profiles, mia, "second")
    assert [each.label for each in await profiles.labelled([first, second])] == ["first of mine", "second of mine"]
    assert [each.label for each in await profiles.labelled([replace(first, label_envelope=None)])] == [""]
    with pytest.raises(DecryptionFailed):
        await profiles.labelled([replace(first, label_envelope=second.label_envelope)])


async def test_nobody_is_no_reason_to_read_keys(profiles: Profiles, keys: MemoryKeyRing) -> None:
    """An empty list of people or keys is answered at once."""
    assert (await profiles.named([]), await profiles.labelled([]), keys.reads) == ([], [], 0)


async def test_a_cells_digests_are_its_own(profiles: Profiles) -> None:
    """Two cells have two digests for one login, so that neither's database tells who has an account in the other."""

    class OtherRing(MemoryKeyRing):
        async def secret(self, tenant_id, purpose):  # type: ignore[no-untyped-def]
            return replace(await super().secret(tenant_id, purpose), secret=b"o" * 32)

    other: KeyRing = OtherRing()
    assert await profiles.login_digest("mia") == await profiles.login_digest("mia")
    assert await profiles.login_digest("mia") != await profiles.login_digest("mio")
    assert await profiles.login_digest("mia") != await login_digest(other, "mia")


async def test_text_that_cannot_be_encoded_is_the_callers_fault(profiles: Profiles) -> None:
    """As everywhere."""
    with pytest.raises(InvalidText):
        await profiles.login_digest("half \ud800 a pair")


@given(login=st.text(st.characters(exclude_categories=["Cs"]), max_size=40), display=st.text(max_size=40))
async def test_every_name_survives(login: str, display: str) -> None:
    """Whatever letters it has."""
    if any("\ud800" <= each <= "\udfff" for each in login + display):
        return
    profiles = Profiles(keys=MemoryKeyRing(), clock=FixedClock(), region=HOME)
    (named,) = await profiles.named([await stored(profiles, replace(MIA, login=login.replace("\0", ""), display=display))])
    assert (named.login, named.display) == (login.replace("\0", ""), display)
