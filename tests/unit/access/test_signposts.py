"""Where data of another region is to be asked for. (The attack stories are in tests/security/test_misdirected.py.)"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.clock import FixedClock
from tests.fakes.people import HOME, caller, collection, document, principal, tenant, uid
from tests.fakes.policy import shipped_in_force

from domicile.access.gate import Gate
from domicile.access.signposts import Signposts
from domicile.domain.actions import Action
from domicile.domain.documents import Collection
from domicile.domain.errors import Misdirected, NotFound
from domicile.domain.principals import Caller, Tenant
from domicile.domain.values import Region, Role

ABROAD = Region("eu-fr")


class Known:
    """What a cell knows of collections and documents; the reads are counted."""

    def __init__(self, collections: Sequence[Collection] = (), region: Region = HOME) -> None:
        self._collections = collections
        self._region = region
        self.reads = 0

    def reading(self) -> Known:
        self.reads += 1
        self.collections = SimpleNamespace(of_tenant=self._of_tenant)
        self.documents = SimpleNamespace(get=self._get)
        return self

    async def __aenter__(self) -> Known:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def _of_tenant(self, tenant_id: object) -> Sequence[Collection]:
        return [each for each in self._collections if each.tenant_id == tenant_id]

    async def _get(self, _tenant_id: object, document_id: object) -> SimpleNamespace:
        known = document(region=self._region)
        if document_id != known.document_id:
            raise NotFound()
        return SimpleNamespace(attributes=known)


def posted(known: Known, url: str = "https://fr.example") -> tuple[Signposts, MemoryAuditLog]:
    log = MemoryAuditLog()
    gate = Gate(shipped_in_force(), log, FixedClock(), HOME)
    return Signposts(database=known, gate=gate, url_of=lambda _: url), log  # type: ignore[arg-type]


def mia() -> Caller:
    """Of a tenant whose data may be here and abroad."""
    return caller(of=tenant(allowing=[ABROAD]))


def elsewhere(slug: str = "abroad") -> Collection:
    return Collection(uid(slug), tenant().id, slug, ABROAD)


async def test_a_tenant_at_home_here_needs_no_lookup() -> None:
    """The check is made on every request, so that it must cost nothing where all is well."""
    known = Known()
    signposts, log = posted(known)
    await signposts.require_home(caller(), Action.SEARCH_CREATE)
    assert (known.reads, log.events) == (0, [])


async def test_another_regions_tenant_is_told_region_and_url() -> None:
    """Recorded as denied, by the region that it was sent to."""
    signposts, log = posted(Known())
    stranger = caller(of=Tenant(uid("lyon"), "lyon", "Lyon", ABROAD))
    with pytest.raises(Misdirected) as raised:
        await signposts.require_home(stranger, Action.SEARCH_CREATE)
    assert raised.value.members == {"region": "eu-fr", "url": "https://fr.example"}
    assert "https://fr.example" in str(raised.value)
    assert [(event.outcome, event.reason) for event in log.events] == [("denied", "misdirected")]


async def test_a_region_without_a_known_cell_is_named_all_the_same() -> None:
    """With an empty URL, and no sentence about one."""
    signposts, _ = posted(Known([elsewhere()]), url="")
    with pytest.raises(Misdirected) as raised:
        await signposts.require_collections(mia(), Action.COLLECTION_LIST, ["abroad"])
    assert raised.value.members["url"] == ""
    assert "answers at" not in str(raised.value)


@pytest.mark.parametrize("reference", ["abroad", str(uid("abroad")), str(uid("abroad")).upper()])
async def test_a_collection_is_known_by_name_and_by_id(reference: str) -> None:
    """As everywhere in the interface."""
    signposts, _ = posted(Known([collection(), elsewhere()]))
    with pytest.raises(Misdirected):
        await signposts.require_collections(mia(), Action.SEARCH_CREATE, ["handbook", reference])


async def test_what_is_here_and_what_is_unknown_passes() -> None:
    """The use case answers for those."""
    signposts, log = posted(Known([collection(), elsewhere()]))
    await signposts.require_collections(mia(), Action.SEARCH_CREATE, ["handbook", "nothing", str(uid("nothing"))])
    await signposts.require_document(caller(), Action.DOCUMENT_READ, document().document_id)
    await signposts.require_document(caller(), Action.DOCUMENT_READ, uid("nothing"))
    assert log.events == []


async def test_who_might_not_read_it_there_is_not_told() -> None:
    """An auditor reads no document anywhere."""
    signposts, log = posted(Known(region=ABROAD))
    with pytest.raises(Misdirected):
        await signposts.require_document(mia(), Action.DOCUMENT_READ, document().document_id)
    await signposts.require_document(
        caller(principal(role=Role.AUDITOR), tenant(allowing=[ABROAD])), Action.DOCUMENT_READ, document().document_id
    )
    assert len(log.events) == 1
