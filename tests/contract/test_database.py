"""What every database owes its units of work: the repositories, transactions and errors, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from tests.fakes import people
from tests.fakes.people import ELSEWHERE, HOME, uid

from domicile.adapters.db.database import SqlDatabase
from domicile.domain.conversations import Conversation, Exchange
from domicile.domain.documents import Document, DocumentAttributes, DocumentVersion, ItemState, Job, JobItem, JobState, Stage
from domicile.domain.errors import AlreadyExists, DatabaseUnavailable, InvalidText, NotFound
from domicile.domain.marks import Marks, Validity
from domicile.domain.principals import ApiKey, Grant, Principal, PrincipalKind, Session
from domicile.domain.values import Classification, Region, Role
from domicile.policy.scope import AllOf, Between, Everything, Field, Nothing, OneOf, RetrievalScope
from domicile.ports.repositories import IdempotentReply, UnitOfWork

NOW = datetime(2025, 3, 14, 9, 26, 53, 589793, tzinfo=UTC)
ACME, GLOBEX = people.tenant("acme"), people.tenant("globex")
HANDBOOK = people.collection("handbook", ACME)
FINANCE, LEGAL = people.group("finance", ACME), people.group("legal", ACME)
MIA = people.stored(people.principal("mia", ACME, groups=[FINANCE.id, LEGAL.id]))
MARKS = Marks(
    classification=Classification.CONFIDENTIAL,
    groups=frozenset({FINANCE.id}),
    owner=MIA.id,
    labels=frozenset({"hr", "works-council"}),
    personal_data=True,
    validity=Validity.parse("2026-01-01", "2026-12-31"),
)
EVERYTHING = RetrievalScope(Everything(), (), "")


def _marked(attributes: DocumentAttributes, marks: Marks) -> DocumentAttributes:
    return DocumentAttributes.marked(
        attributes.tenant_id, attributes.document_id, attributes.collection_id, attributes.region, marks
    )


def document(name: str = "leave-policy", *, version: int = 1, groups: tuple[UUID, ...] = (), **changes: object) -> Document:
    attributes = people.document(name, ACME, groups=groups, **changes)  # type: ignore[arg-type]
    made = DocumentVersion(
        id=uid(f"version/{name}/{version}"),
        document_id=attributes.document_id,
        data_key_id=uid(f"key/{name}/{version}"),
        content_digest=uid(f"content/{name}/{version}").bytes,
        title_envelope=b"\x00sealed\xff",
        size_bytes=5_000_000_000,
        chunk_count=12,
        created_at=NOW + timedelta(minutes=version),
    )
    return Document(attributes, uid(f"source/{name}").bytes, made, NOW)


def job(name: str = "job", items: int = 3) -> Job:
    job_id = uid(name)
    made = []
    for ordinal in range(items):
        of = document(f"{name}/{ordinal}", groups=(FINANCE.id,))
        made.append(
            JobItem(
                id=uid(f"{name}/item/{ordinal}"),
                job_id=job_id,
                ordinal=ordinal,
                document_id=of.id,
                version_id=of.version.id,
                data_key_id=of.version.data_key_id,
                attributes=of.attributes,
                source_digest=of.source_digest,
                content_digest=of.version.content_digest,
                title_envelope=of.version.title_envelope,
                size_bytes=7,
            )
        )
    return Job(job_id, ACME.id, HANDBOOK.id, MIA.id, JobState.QUEUED, NOW, tuple(made))


@pytest.fixture
async def unit(database: SqlDatabase) -> AsyncIterator[UnitOfWork]:
    """A transaction that writes, with two tenants, a collection, two groups and a principal in them."""
    async with database.writing() as opened:
        for tenant in (ACME, GLOBEX):
            await opened.tenants.add(tenant)
        await opened.collections.add(HANDBOOK)
        await opened.principals.add_group(FINANCE)
        await opened.principals.add_group(LEGAL)
        await opened.principals.add(MIA, "argon2-hash")
        yield opened


class TestTransactions:
    async def test_leaving_without_commit_changes_nothing(self, database: SqlDatabase) -> None:
        """The default is to roll back."""
        async with database.writing() as unit:
            await unit.tenants.add(ACME)
        async with database.reading() as unit:
            assert await unit.tenants.all() == []

    async def test_an_error_in_the_block_rolls_back(self, database: SqlDatabase) -> None:
        """Whatever was raised goes on unchanged."""

        async def fail() -> None:
            async with database.writing() as unit:
                await unit.tenants.add(ACME)
                raise RuntimeError("mine")

        with pytest.raises(RuntimeError, match="mine"):
            await fail()
        async with database.reading() as unit:
            assert await unit.tenants.all() == []

    async def test_a_failed_statement_leaves_nothing_to_commit(self, database: SqlDatabase) -> None:
        """Going on after an error must not commit the half that worked."""
        async with database.writing() as unit:
            await unit.tenants.add(ACME)
            with pytest.raises(AlreadyExists):
                await unit.tenants.add(ACME)
            with pytest.raises(AlreadyExists):
                await unit.commit()
        async with database.reading() as unit:
            assert await unit.tenants.all() == []

    async def test_a_cancelled_unit_changes_nothing_and_frees_its_turn(self, database: SqlDatabase) -> None:
        """The next writer gets through."""
        entered = asyncio.Event()

        async def hang() -> None:
            async with database.writing() as unit:
                await unit.tenants.add(ACME)
                entered.set()
                await asyncio.sleep(3600)

        hanging = asyncio.create_task(hang())
        await entered.wait()
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        async with database.writing() as unit:
            await unit.tenants.add(ACME)
            await unit.commit()

    async def test_many_writers_all_get_their_turn(self, database: SqlDatabase) -> None:
        """None fails because another holds the lock."""

        async def add(number: int) -> None:
            async with database.writing() as unit:
                await unit.tenants.add(people.tenant(f"tenant-{number}"))
                await unit.commit()

        await asyncio.gather(*(add(number) for number in range(40)))
        async with database.reading() as unit:
            assert len(await unit.tenants.all()) == 40

    async def test_readers_do_not_wait_for_a_writer_and_see_what_was_committed(self, database: SqlDatabase) -> None:
        """A transaction under way is invisible."""
        async with database.writing() as writer:
            await writer.tenants.add(ACME)
            async with database.reading() as reader:
                assert await reader.tenants.all() == []
            await writer.commit()
        async with database.reading() as reader:
            assert await reader.tenants.all() == [ACME]

    async def test_a_reading_unit_sees_one_moment(self, database: SqlDatabase) -> None:
        """What is committed while it reads stays out of its sight."""
        async with database.reading() as reader:
            assert await reader.tenants.all() == []
            async with database.writing() as writer:
                await writer.tenants.add(ACME)
                await writer.commit()
            assert await reader.tenants.all() == []

    async def test_a_reading_unit_cannot_write(self, database: SqlDatabase) -> None:
        """The database itself refuses, not only this code."""
        async with database.reading() as unit:
            with pytest.raises(DatabaseUnavailable):
                await unit.tenants.add(ACME)

    async def test_it_answers_a_ping(self, database: SqlDatabase) -> None:
        """Nothing is raised when all is well."""
        await database.ping()


class TestTenantsAndPeople:
    async def test_tenants_are_found_by_id_and_slug(self, unit: UnitOfWork) -> None:
        """And listed."""
        assert await unit.tenants.get(ACME.id) == ACME
        assert await unit.tenants.by_slug("globex") == GLOBEX
        assert set(await unit.tenants.all()) == {ACME, GLOBEX}

    async def test_an_unknown_tenant_is_not_found(self, unit: UnitOfWork) -> None:
        """By id and by slug."""
        with pytest.raises(NotFound):
            await unit.tenants.get(uid("nobody"))
        with pytest.raises(NotFound):
            await unit.tenants.by_slug("nobody")

    async def test_a_slug_is_given_once(self, unit: UnitOfWork) -> None:
        """Tenant slugs are unique within the cell."""
        with pytest.raises(AlreadyExists):
            await unit.tenants.add(replace(ACME, id=uid("other")))

    async def test_a_principal_comes_with_its_groups(self, unit: UnitOfWork) -> None:
        """By id, by login and in the list."""
        assert await unit.principals.get(MIA.id) == MIA
        assert await unit.principals.by_login_digest(people.digest("mia")) == (MIA, "argon2-hash")
        assert await unit.principals.of_tenant(ACME.id) == [MIA]

    async def test_a_principal_without_groups_or_password(self, unit: UnitOfWork) -> None:
        """A service has neither; a disabled one is given as disabled."""
        robot = people.stored(
            Principal(uid("robot"), ACME.id, "robot", "Ro Böt", Role.AUDITOR, Classification.RESTRICTED, disabled=True)
        )
        await unit.principals.add(robot, None)
        assert await unit.principals.by_login_digest(people.digest("robot")) == (robot, None)
        assert set(await unit.principals.of_tenant(ACME.id)) == {MIA, robot}
        assert await unit.principals.of_tenant(GLOBEX.id) == []

    async def test_unknown_principals(self, unit: UnitOfWork) -> None:
        """No such login is an answer, no such id an error."""
        assert await unit.principals.by_login_digest(people.digest("nobody")) is None
        with pytest.raises(NotFound):
            await unit.principals.get(uid("nobody"))
        with pytest.raises(NotFound):
            await unit.principals.set_password(uid("nobody"), "hash")

    async def test_logins_are_unique_within_the_cell(self, unit: UnitOfWork) -> None:
        """Also across tenants, because a sign-in names no tenant."""
        with pytest.raises(AlreadyExists):
            await unit.principals.add(people.stored(people.principal("mia", GLOBEX)), None)

    async def test_names_are_not_stored(self, unit: UnitOfWork) -> None:
        """Neither a person's nor a key's, whatever whoever adds them still has in hand."""
        named = replace(MIA, id=uid("named"), login="ned", display="Ned Named", profile=None)
        await unit.principals.add(named, None)
        assert await unit.principals.get(named.id) == people.unnamed(named)
        key = ApiKey(uid("key"), ACME.id, named.id, "Ned's laptop", "dk_abc", Grant(), NOW, label_envelope=b"envelope")
        await unit.credentials.add_api_key(key, b"h" * 32)
        assert await unit.credentials.api_key(b"h" * 32) == replace(key, label="")

    async def test_accounts_that_have_no_name_any_more_are_no_namesakes(self, unit: UnitOfWork) -> None:
        """However many there are."""
        for name in ("ann", "bob"):
            await unit.principals.add(people.unnamed(people.principal(name, ACME)), None)
        assert len(await unit.principals.of_tenant(ACME.id)) == 3

    async def test_a_new_password_ends_every_session(self, unit: UnitOfWork) -> None:
        """Whoever stole a session loses it."""
        await unit.credentials.add_session(Session(b"t" * 32, MIA.id, "csrf", NOW, NOW + timedelta(hours=1)))
        await unit.principals.set_password(MIA.id, "new-hash")
        assert await unit.principals.by_login_digest(people.digest("mia")) == (MIA, "new-hash")
        assert await unit.credentials.session(b"t" * 32) is None

    async def test_groups_belong_to_a_tenant(self, unit: UnitOfWork) -> None:
        """Two tenants may use the same name, one tenant only once."""
        await unit.principals.add_group(people.group("finance", GLOBEX))
        assert await unit.principals.groups(ACME.id) == [FINANCE, LEGAL]
        with pytest.raises(AlreadyExists):
            await unit.principals.add_group(replace(FINANCE, id=uid("other")))

    async def test_whoever_is_in_a_group_is_in_those_that_it_is_in(self, unit: UnitOfWork) -> None:
        """At any depth, by each way of finding a principal, and each group once where two ways lead to it."""
        company, board = people.group("company", ACME), people.group("board", ACME)
        for each in (company, board):
            await unit.principals.add_group(each)
        await unit.principals.nest_group(FINANCE.id, company.id)
        await unit.principals.nest_group(LEGAL.id, company.id)
        await unit.principals.nest_group(company.id, board.id)
        nested = replace(MIA, groups=frozenset({FINANCE.id, LEGAL.id, company.id, board.id}))
        assert await unit.principals.get(MIA.id) == nested
        assert await unit.principals.by_login_digest(people.digest("mia")) == (nested, "argon2-hash")
        assert await unit.principals.of_tenant(ACME.id) == [nested]
        assert set(await unit.principals.nested_groups(ACME.id)) == {
            (FINANCE.id, company.id),
            (LEGAL.id, company.id),
            (company.id, board.id),
        }
        assert await unit.principals.nested_groups(GLOBEX.id) == []
        await unit.principals.unnest_group(company.id, board.id)
        assert await unit.principals.get(MIA.id) == replace(nested, groups=nested.groups - {board.id})
        with pytest.raises(NotFound):
            await unit.principals.unnest_group(company.id, board.id)

    async def test_groups_in_a_circle_are_found_once(self, unit: UnitOfWork) -> None:
        """None should come about, but if one does, nobody waits for ever."""
        await unit.principals.nest_group(FINANCE.id, LEGAL.id)
        await unit.principals.nest_group(LEGAL.id, FINANCE.id)
        assert await unit.principals.get(MIA.id) == MIA

    async def test_a_service_is_given_as_one(self, unit: UnitOfWork) -> None:
        """Nobody signs in as it."""
        robot = replace(people.stored(people.principal("robot", ACME)), kind=PrincipalKind.SERVICE)
        await unit.principals.add(robot, None)
        assert await unit.principals.by_login_digest(people.digest("robot")) == (robot, None)

    async def test_a_tenants_regions_are_what_was_said_last(self, unit: UnitOfWork) -> None:
        """Each list replaces the one before; a tenant that is not there has none."""
        assert (await unit.tenants.get(ACME.id)).allowed_regions == frozenset()
        for allowed in ({ELSEWHERE, HOME}, {ELSEWHERE}, frozenset[Region]()):
            await unit.tenants.set_allowed_regions(ACME.id, frozenset(allowed))
            assert (await unit.tenants.by_slug("acme")).allowed_regions == allowed
        with pytest.raises(NotFound):
            await unit.tenants.set_allowed_regions(uid("ghost"), frozenset())

    async def test_what_refers_to_nothing_is_not_found(self, unit: UnitOfWork) -> None:
        """Foreign keys are enforced."""
        with pytest.raises(NotFound):
            await unit.principals.add_group(people.group("finance", people.tenant("ghost")))


class TestCredentials:
    @pytest.mark.parametrize(
        "grant",
        [
            Grant(),
            Grant(verbs=frozenset(), collections=frozenset()),
            Grant(verbs=frozenset({"search:create", "document:read"}), collections=frozenset({HANDBOOK.id, uid("x")})),
        ],
    )
    async def test_a_key_keeps_its_grant(self, unit: UnitOfWork, grant: Grant) -> None:
        """That nothing narrows and that nothing permits stay two different things."""
        key = ApiKey(uid("key"), ACME.id, MIA.id, "", "dk_abc", grant, NOW, NOW + timedelta(days=1))
        await unit.credentials.add_api_key(key, b"h" * 32)
        assert await unit.credentials.api_key(b"h" * 32) == key
        assert await unit.credentials.api_keys(ACME.id) == [key]
        assert await unit.credentials.api_keys(GLOBEX.id) == []

    async def test_an_unknown_secret_opens_nothing(self, unit: UnitOfWork) -> None:
        """Neither key nor session."""
        assert await unit.credentials.api_key(b"?" * 32) is None
        assert await unit.credentials.session(b"?" * 32) is None

    async def test_revoking_is_the_tenants_own_and_stands(self, unit: UnitOfWork) -> None:
        """Another tenant cannot, and a second time does not move the date."""
        key = ApiKey(uid("key"), ACME.id, MIA.id, "", "dk_abc", Grant(), NOW)
        await unit.credentials.add_api_key(key, b"h" * 32)
        await unit.credentials.revoke_api_key(ACME.id, key.id, NOW + timedelta(hours=1))
        await unit.credentials.revoke_api_key(ACME.id, key.id, NOW + timedelta(hours=2))
        found = await unit.credentials.api_key(b"h" * 32)
        assert found is not None
        assert found.revoked_at == NOW + timedelta(hours=1)

    async def test_another_tenants_key_is_not_found(self, unit: UnitOfWork) -> None:
        """And stays valid."""
        key = ApiKey(uid("key"), ACME.id, MIA.id, "", "dk_abc", Grant(), NOW)
        await unit.credentials.add_api_key(key, b"h" * 32)
        with pytest.raises(NotFound):
            await unit.credentials.revoke_api_key(GLOBEX.id, key.id, NOW)
        # The unit is as it was: a refusal is no failed statement.
        assert await unit.credentials.api_key(b"h" * 32) == key

    async def test_last_use_never_goes_back(self, unit: UnitOfWork) -> None:
        """It is written behind, and reports may come out of order."""
        keys = [ApiKey(uid(f"key/{n}"), ACME.id, MIA.id, "", "dk", Grant(), NOW) for n in range(2)]
        for number, key in enumerate(keys):
            await unit.credentials.add_api_key(key, bytes([number]) * 32)
        await unit.credentials.touch_api_keys({key.id: NOW for key in keys})
        await unit.credentials.touch_api_keys({keys[0].id: NOW - timedelta(days=1), keys[1].id: NOW + timedelta(days=1)})
        await unit.credentials.touch_api_keys({})
        used = {key.id: key.last_used_at for key in await unit.credentials.api_keys(ACME.id)}
        assert used == {keys[0].id: NOW, keys[1].id: NOW + timedelta(days=1)}

    async def test_sessions_end_when_they_are_deleted_or_replaced_after_their_time(self, unit: UnitOfWork) -> None:
        """Expired ones are forgotten at the next sign-in; those still running are kept."""
        old = Session(b"o" * 32, MIA.id, "csrf-1", NOW, NOW + timedelta(hours=1))
        running = Session(b"r" * 32, MIA.id, "csrf-2", NOW, NOW + timedelta(hours=9))
        new = Session(b"n" * 32, MIA.id, "csrf-3", NOW + timedelta(hours=2), NOW + timedelta(hours=12))
        for session in (old, running, new):
            await unit.credentials.add_session(session)
        assert await unit.credentials.session(old.token_hash) is None
        assert await unit.credentials.session(running.token_hash) == running
        await unit.credentials.delete_session(running.token_hash)
        assert await unit.credentials.session(running.token_hash) is None
        assert await unit.credentials.session(new.token_hash) == new

    async def test_times_come_back_in_utc(self, unit: UnitOfWork) -> None:
        """Whatever zone they were given in."""
        local = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
        await unit.credentials.add_session(Session(b"t" * 32, MIA.id, "csrf", local, local))
        found = await unit.credentials.session(b"t" * 32)
        assert found is not None
        assert found.created_at == NOW
        assert found.created_at.tzinfo is UTC


class TestCollections:
    async def test_collections_are_the_tenants_own(self, unit: UnitOfWork) -> None:
        """Another tenant finds neither the id nor the slug."""
        assert await unit.collections.get(ACME.id, HANDBOOK.id) == HANDBOOK
        assert await unit.collections.by_slug(ACME.id, "handbook") == HANDBOOK
        assert await unit.collections.of_tenant(ACME.id) == [HANDBOOK]
        assert await unit.collections.of_tenant(GLOBEX.id) == []
        with pytest.raises(NotFound):
            await unit.collections.get(GLOBEX.id, HANDBOOK.id)
        with pytest.raises(NotFound):
            await unit.collections.by_slug(GLOBEX.id, "handbook")

    async def test_a_collection_keeps_its_marks(self, unit: UnitOfWork) -> None:
        """All of what is said about it."""
        marked = replace(people.collection("contracts", ACME), marks=MARKS)
        await unit.collections.add(marked)
        assert await unit.collections.get(ACME.id, marked.id) == marked

    async def test_a_slug_is_unique_within_its_tenant(self, unit: UnitOfWork) -> None:
        """And free in the next one."""
        await unit.collections.add(people.collection("handbook", GLOBEX))
        with pytest.raises(AlreadyExists):
            await unit.collections.add(replace(HANDBOOK, id=uid("other")))


class TestDocuments:
    async def test_a_new_document_is_stored_whole(self, unit: UnitOfWork) -> None:
        """With its groups, found by id and by source; nothing was replaced."""
        made = document(groups=(FINANCE.id, LEGAL.id))
        assert await unit.documents.publish(made) is None
        assert await unit.documents.get(ACME.id, made.id) == made
        assert await unit.documents.by_source(ACME.id, HANDBOOK.id, made.source_digest) == made
        assert await unit.documents.by_source(ACME.id, HANDBOOK.id, b"?") is None

    async def test_a_document_keeps_its_marks_and_a_new_version_changes_them(self, unit: UnitOfWork) -> None:
        """All of them; labels that are gone are gone."""
        first = document()
        marked = replace(first, attributes=_marked(first.attributes, MARKS))
        await unit.documents.publish(marked)
        assert await unit.documents.get(ACME.id, marked.id) == marked
        changed = replace(marked, attributes=_marked(first.attributes, replace(MARKS, labels=frozenset({"hr"}))))
        await unit.documents.publish(changed)
        assert await unit.documents.get(ACME.id, marked.id) == changed
        assert await unit.documents.delete(ACME.id, marked.id) == changed

    async def test_labels_and_groups_do_not_multiply_each_other(self, unit: UnitOfWork) -> None:
        """A document in two groups with three labels is one document on a page."""
        made = document(groups=(FINANCE.id, LEGAL.id))
        made = replace(made, attributes=replace(made.attributes, labels=frozenset({"a", "b", "c"})))
        await unit.documents.publish(made)
        assert await unit.documents.list(EVERYTHING, limit=1) == [made]
        assert await unit.documents.count(EVERYTHING) == 1

    async def test_another_tenant_finds_nothing(self, unit: UnitOfWork) -> None:
        """Not by id, not among many, not by source."""
        made = document()
        await unit.documents.publish(made)
        with pytest.raises(NotFound):
            await unit.documents.get(GLOBEX.id, made.id)
        assert await unit.documents.many([made.id], GLOBEX.id) == {}
        assert await unit.documents.by_source(GLOBEX.id, HANDBOOK.id, made.source_digest) is None
        with pytest.raises(NotFound):
            await unit.documents.delete(GLOBEX.id, made.id)
        assert await unit.documents.get(ACME.id, made.id) == made

    async def test_many_gives_those_that_exist(self, unit: UnitOfWork) -> None:
        """In one read, with their groups; asking for none gives none."""
        made = [document(f"d{number}", groups=(FINANCE.id, LEGAL.id)[: number % 3]) for number in range(6)]
        for each in made:
            await unit.documents.publish(each)
        found = await unit.documents.many([*(each.id for each in made), uid("missing")], ACME.id)
        assert found == {each.id: each for each in made}
        assert await unit.documents.many([], ACME.id) == {}

    async def test_ids_are_those_of_the_tenant_a_page_at_a_time(self, unit: UnitOfWork) -> None:
        """All of them, or one owner's, whoever may read them; none of another tenant's."""
        made = sorted([document(f"d{number}", owner=uid(f"owner-{number % 2}")) for number in range(5)], key=lambda d: d.id)
        for each in made:
            await unit.documents.publish(each)
        first = await unit.documents.ids(ACME.id, limit=3)
        assert [*first, *await unit.documents.ids(ACME.id, after=first[-1], limit=3)] == [each.id for each in made]
        own = [each.id for each in made if each.attributes.owner == uid("owner-1")]
        assert await unit.documents.ids(ACME.id, owner=uid("owner-1"), limit=9) == own
        assert await unit.documents.ids(GLOBEX.id, limit=9) == []

    async def test_a_new_version_replaces_the_old_one_and_destroys_its_key(self, unit: UnitOfWork) -> None:
        """The old content is unreadable from the moment it is replaced; the document keeps its first date."""
        first = document(groups=(FINANCE.id,))
        second = document(version=2, groups=(LEGAL.id,), classification=Classification.RESTRICTED)
        await unit.documents.publish(first)
        assert await unit.documents.publish(replace(second, created_at=NOW + timedelta(days=9))) == first.version
        assert await unit.documents.get(ACME.id, first.id) == second
        assert await unit.doomed_keys.all(9) == [(ACME.id, first.version.data_key_id)]

    async def test_publishing_again_after_a_crash_changes_nothing(self, unit: UnitOfWork) -> None:
        """The step is repeated when it is not known whether it was done."""
        made = document(groups=(FINANCE.id,))
        await unit.documents.publish(made)
        assert await unit.documents.publish(made) is None
        assert await unit.documents.get(ACME.id, made.id) == made
        assert await unit.doomed_keys.all(9) == []

    async def test_a_source_is_one_document_of_its_collection(self, unit: UnitOfWork) -> None:
        """Two jobs that bring the same new file at once: the second one is told."""
        await unit.documents.publish(document("first"))
        with pytest.raises(AlreadyExists):
            await unit.documents.publish(replace(document("second"), source_digest=document("first").source_digest))

    async def test_a_deleted_document_is_gone_with_its_groups_and_key(self, unit: UnitOfWork) -> None:
        """What was removed is given, so that the other stores can follow."""
        made = document(groups=(FINANCE.id,))
        await unit.documents.publish(made)
        assert await unit.documents.delete(ACME.id, made.id) == made
        assert await unit.doomed_keys.all(9) == [(ACME.id, made.version.data_key_id)]
        assert await unit.documents.live_versions() == frozenset()
        with pytest.raises(NotFound):
            await unit.documents.get(ACME.id, made.id)

    async def test_lists_and_counts_hold_what_the_scope_admits(self, unit: UnitOfWork) -> None:
        """And nothing when the scope admits nothing."""
        for number, level in enumerate(Classification):
            await unit.documents.publish(document(f"d{number}", classification=level))
        scope = AllOf(
            (OneOf(Field.TENANT, frozenset({str(ACME.id)})), Between(Field.CLASSIFICATION, high=Classification.INTERNAL))
        )
        listed = await unit.documents.list(RetrievalScope(scope, (), ""))
        levels = {each.attributes.classification for each in listed}
        assert levels == {Classification.PUBLIC, Classification.INTERNAL}
        assert await unit.documents.count(RetrievalScope(scope, (), "")) == 2
        assert await unit.documents.list(RetrievalScope(Nothing(), (), "")) == []
        assert await unit.documents.count(RetrievalScope(Nothing(), (), "")) == 0

    async def test_a_list_is_paged_by_id(self, unit: UnitOfWork) -> None:
        """Documents in several groups take one place on a page."""
        made = [document(f"d{number}", groups=(FINANCE.id, LEGAL.id)) for number in range(5)]
        for each in made:
            await unit.documents.publish(each)
        in_order = sorted(made, key=lambda each: each.id)
        first = await unit.documents.list(EVERYTHING, limit=3)
        rest = await unit.documents.list(EVERYTHING, after=first[-1].id, limit=3)
        assert [*first, *rest] == in_order

    async def test_a_list_can_be_narrowed_to_a_collection(self, unit: UnitOfWork) -> None:
        """So can a count."""
        minutes = people.collection("minutes", ACME)
        await unit.collections.add(minutes)
        elsewhere = document("elsewhere", in_collection=minutes)
        await unit.documents.publish(document("here"))
        await unit.documents.publish(elsewhere)
        assert await unit.documents.list(EVERYTHING, collection_id=minutes.id) == [elsewhere]
        assert await unit.documents.count(EVERYTHING, collection_id=minutes.id) == 1

    async def test_live_versions_are_current_ones_and_those_still_to_come(self, unit: UnitOfWork) -> None:
        """What a finished item brought counts through its document alone."""
        made, coming = document(), job()
        await unit.documents.publish(made)
        await unit.jobs.add(coming)
        await unit.jobs.finish(coming.items[0].id, ItemState.FAILED, failure="document-corrupt")
        pending = {item.version_id for item in coming.items[1:]}
        assert await unit.documents.live_versions() == {made.version.id, *pending}

    async def test_a_group_of_nobody_is_refused(self, unit: UnitOfWork) -> None:
        """A document can only be given to groups that exist."""
        with pytest.raises(NotFound):
            await unit.documents.publish(document(groups=(uid("ghost"),)))


class TestJobs:
    async def test_a_job_is_read_back_with_its_items_in_order(self, unit: UnitOfWork) -> None:
        """By its own tenant only."""
        made = job()
        await unit.jobs.add(made)
        assert await unit.jobs.get(ACME.id, made.id) == made
        with pytest.raises(NotFound):
            await unit.jobs.get(GLOBEX.id, made.id)

    async def test_a_job_may_have_no_items(self, unit: UnitOfWork) -> None:
        """Then it has nothing pending."""
        made = job(items=0)
        await unit.jobs.add(made)
        assert await unit.jobs.get(ACME.id, made.id) == made
        assert await unit.jobs.pending(made.id, 10) == []

    async def test_items_move_on_until_they_are_finished(self, unit: UnitOfWork) -> None:
        """Pending ones come in order, a few at a time."""
        made = job()
        await unit.jobs.add(made)
        first, second, third = made.items
        await unit.jobs.set_stage([first.id, second.id], Stage.EMBEDDED)
        await unit.jobs.set_stage([], Stage.PARSED)
        assert [item.id for item in await unit.jobs.pending(made.id, 2)] == [first.id, second.id]
        await unit.jobs.finish(first.id, ItemState.ADDED)
        await unit.jobs.finish(second.id, ItemState.FAILED, failure="document-empty", failure_detail="No text.")
        assert await unit.jobs.pending(made.id, 10) == [third]
        items = (await unit.jobs.get(ACME.id, made.id)).items
        assert items[0] == replace(first, stage=Stage.EMBEDDED, state=ItemState.ADDED)
        assert (items[1].state, items[1].failure, items[1].failure_detail) == (
            ItemState.FAILED,
            "document-empty",
            "No text.",
        )

    async def test_an_item_is_settled_once(self, unit: UnitOfWork) -> None:
        """Whoever comes second is told, and changes nothing."""
        made = job()
        await unit.jobs.add(made)
        assert await unit.jobs.finish(made.items[0].id, ItemState.ADDED)
        assert not await unit.jobs.finish(made.items[0].id, ItemState.FAILED, failure="internal", failure_detail="No.")
        item = (await unit.jobs.get(ACME.id, made.id)).items[0]
        assert (item.state, item.failure, item.failure_detail) == (ItemState.ADDED, None, None)

    async def test_what_a_document_still_waits_for_is_found_and_failed(self, unit: UnitOfWork) -> None:
        """Across jobs, in its own tenant, and only what is pending."""
        made, other = job(), job("other")
        second = replace(other, items=(replace(other.items[0], document_id=made.items[0].document_id), *other.items[1:]))
        await unit.jobs.add(made)
        await unit.jobs.add(second)
        wanted = made.items[0].document_id
        found = await unit.jobs.pending_of(ACME.id, [wanted, uid("unknown")])
        assert {item.id for item in found} == {made.items[0].id, second.items[0].id}
        assert await unit.jobs.pending_of(GLOBEX.id, [wanted]) == []
        assert await unit.jobs.fail_pending(GLOBEX.id, wanted, "document-withdrawn", "It is gone.") == []
        await unit.jobs.finish(second.items[0].id, ItemState.UNCHANGED)
        (failed,) = await unit.jobs.fail_pending(ACME.id, wanted, "document-withdrawn", "It is gone.")
        assert failed == replace(
            made.items[0], state=ItemState.FAILED, failure="document-withdrawn", failure_detail="It is gone."
        )
        assert await unit.jobs.pending(made.id, 10) == list(made.items[1:])
        assert await unit.jobs.pending_of(ACME.id, [wanted]) == []

    async def test_what_pending_items_wait_for_comes_and_goes(self, unit: UnitOfWork) -> None:
        """Nothing is written over what is settled."""
        made = job()
        await unit.jobs.add(made)
        await unit.jobs.finish(made.items[0].id, ItemState.FAILED, failure="document-empty", failure_detail="No text.")
        await unit.jobs.set_waiting(GLOBEX.id, "internal", "Not this tenant's.")
        await unit.jobs.set_waiting(ACME.id, "storage-full", "Full.")
        items = (await unit.jobs.get(ACME.id, made.id)).items
        assert [item.failure for item in items] == ["document-empty", "storage-full", "storage-full"]
        await unit.jobs.set_waiting(ACME.id, None, None)
        items = (await unit.jobs.get(ACME.id, made.id)).items
        assert [item.failure_detail for item in items] == ["No text.", None, None]

    async def test_unfinished_jobs_come_oldest_first(self, unit: UnitOfWork) -> None:
        """With their tenant, so that a restart can go on with them."""
        newer, older, done = job("newer", 0), job("older", 0), job("done", 0)
        await unit.jobs.add(newer)
        await unit.jobs.add(replace(older, created_at=NOW - timedelta(hours=1)))
        await unit.jobs.add(done)
        await unit.jobs.set_state(newer.id, JobState.RUNNING)
        await unit.jobs.set_state(done.id, JobState.DONE)
        assert await unit.jobs.unfinished() == [(older.id, ACME.id), (newer.id, ACME.id)]


class TestJobsAtTheSameTime:
    """Two units of work, of which the second one has to wait for the first one's end."""

    @pytest.fixture(autouse=True)
    async def _accepted(self, database: SqlDatabase) -> None:
        async with database.writing() as unit:
            await unit.tenants.add(ACME)
            await unit.collections.add(HANDBOOK)
            await unit.principals.add_group(FINANCE)
            await unit.principals.add_group(LEGAL)
            await unit.principals.add(MIA, None)
            await unit.jobs.add(job(items=1))
            await unit.commit()

    async def test_a_withdrawal_waits_for_the_end_of_a_publication(self, database: SqlDatabase) -> None:
        """What was published first is nothing that it could still fail."""
        (item,) = job(items=1).items

        async def withdraw() -> int:
            async with database.writing() as unit:
                return len(await unit.jobs.fail_pending(ACME.id, item.document_id, "document-withdrawn", "It is gone."))

        async with database.writing() as unit:
            assert await unit.jobs.finish(item.id, ItemState.ADDED)
            withdrawal = asyncio.create_task(withdraw())
            await asyncio.wait([withdrawal], timeout=0.2)
            assert not withdrawal.done()
            await unit.commit()
        assert await withdrawal == 0

    async def test_a_publication_waits_for_the_end_of_a_withdrawal(self, database: SqlDatabase) -> None:
        """And then finds that it has nothing to publish."""
        (item,) = job(items=1).items

        async def publish() -> bool:
            async with database.writing() as unit:
                return await unit.jobs.finish(item.id, ItemState.ADDED)

        async with database.writing() as unit:
            assert await unit.jobs.fail_pending(ACME.id, item.document_id, "document-withdrawn", "It is gone.")
            publication = asyncio.create_task(publish())
            await asyncio.wait([publication], timeout=0.2)
            assert not publication.done()
            await unit.commit()
        assert await publication is False

    async def test_whoever_adds_a_job_sees_those_that_were_added_before(self, database: SqlDatabase) -> None:
        """The second one's turn begins when the first one has ended."""
        (item,) = job("first", 1).items

        async def look() -> int:
            async with database.writing() as unit:
                await unit.jobs.turn_to_add(HANDBOOK.id)
                return len(await unit.jobs.pending_of(ACME.id, [item.document_id]))

        async with database.writing() as unit:
            await unit.jobs.turn_to_add(HANDBOOK.id)
            second = asyncio.create_task(look())
            await asyncio.wait([second], timeout=0.2)
            assert not second.done()
            await unit.jobs.add(job("first", 1))
            await unit.commit()
        assert await second == 1


class TestDoomedKeys:
    async def test_an_order_stands_until_it_is_carried_out(self, unit: UnitOfWork) -> None:
        """Some at a time; ordering none, or removing none, changes nothing."""
        ids = [uid(f"key/{number}") for number in range(3)]
        await unit.doomed_keys.add(ACME.id, ids[:2])
        await unit.doomed_keys.add(GLOBEX.id, ids[2:])
        await unit.doomed_keys.add(ACME.id, [])
        assert len(await unit.doomed_keys.all(2)) == 2
        await unit.doomed_keys.remove([])
        await unit.doomed_keys.remove(ids[:2])
        assert await unit.doomed_keys.all(9) == [(GLOBEX.id, ids[2])]

    async def test_keys_that_something_names(self, unit: UnitOfWork) -> None:
        """A document, an item of a job and a conversation each name one; nothing names the fourth."""
        made, talk, work = document(), conversation(), job("keys", 1)
        await unit.documents.publish(made)
        await unit.conversations.add(talk)
        await unit.jobs.add(work)
        named = {made.version.data_key_id, talk.data_key_id, work.items[0].data_key_id}
        assert await unit.doomed_keys.named([*named, uid("nobody's")]) == named
        assert await unit.doomed_keys.named([]) == frozenset()


def conversation(name: str = "talk", minutes: int = 0) -> Conversation:
    at = NOW + timedelta(minutes=minutes)
    return Conversation(uid(name), ACME.id, MIA.id, uid(f"key/{name}"), b"title", at, at)


class TestConversations:
    async def test_conversations_come_latest_first(self, unit: UnitOfWork) -> None:
        """A new exchange moves its conversation to the top."""
        old, new = conversation("old"), conversation("new", 1)
        await unit.conversations.add(old)
        await unit.conversations.add(new)
        assert await unit.conversations.of_principal(ACME.id, MIA.id) == [new, old]
        exchange = Exchange(uid("exchange"), old.id, 0, b"body", NOW + timedelta(minutes=2))
        await unit.conversations.add_exchange(exchange)
        moved = replace(old, updated_at=exchange.created_at)
        assert await unit.conversations.of_principal(ACME.id, MIA.id, limit=1) == [moved]
        assert await unit.conversations.exchanges(old.id) == [exchange]

    async def test_another_tenants_conversation_is_not_found(self, unit: UnitOfWork) -> None:
        """Nor is it deleted."""
        talk = conversation()
        await unit.conversations.add(talk)
        with pytest.raises(NotFound):
            await unit.conversations.get(GLOBEX.id, talk.id)
        with pytest.raises(NotFound):
            await unit.conversations.delete(GLOBEX.id, talk.id)
        assert await unit.conversations.of_principal(GLOBEX.id, MIA.id) == []
        assert await unit.conversations.get(ACME.id, talk.id) == talk

    async def test_deleting_takes_exchanges_and_key_along(self, unit: UnitOfWork) -> None:
        """Nothing of it can be read again, from a backup neither, once the key is gone."""
        talk = conversation()
        await unit.conversations.add(talk)
        for ordinal in range(2):
            await unit.conversations.add_exchange(Exchange(uid(f"e{ordinal}"), talk.id, ordinal, b"body", NOW))
        await unit.conversations.delete(ACME.id, talk.id)
        assert await unit.conversations.exchanges(talk.id) == []
        assert await unit.doomed_keys.all(9) == [(ACME.id, talk.data_key_id)]


class TestIdempotency:
    async def test_a_reply_is_the_principals_own(self, unit: UnitOfWork) -> None:
        """The same key of somebody else is another key; using one's own twice is noticed."""
        reply = IdempotentReply(b"digest", 202, b'{"id":1}')
        assert await unit.idempotency.get(MIA.id, "once") is None
        await unit.idempotency.add(MIA.id, "once", reply, NOW)
        assert await unit.idempotency.get(MIA.id, "once") == reply
        assert await unit.idempotency.get(uid("somebody"), "once") is None
        with pytest.raises(AlreadyExists):
            await unit.idempotency.add(MIA.id, "once", reply, NOW)

    async def test_replies_of_before_a_time_are_forgotten_a_few_at_a_time(self, unit: UnitOfWork) -> None:
        """Whosever they are; the time itself is not before it."""
        reply = IdempotentReply(b"digest", 202, b"id")
        await unit.principals.add(people.principal("ned", ACME), None)
        for person, key, at in (
            (MIA.id, "one", NOW),
            (people.principal("ned", ACME).id, "one", NOW),
            (MIA.id, "two", NOW + timedelta(microseconds=1)),
        ):
            await unit.idempotency.add(person, key, reply, at)
        limit = NOW + timedelta(microseconds=1)
        assert [await unit.idempotency.delete_before(limit, 1) for _ in range(3)] == [1, 1, 0]
        assert await unit.idempotency.get(MIA.id, "one") is None
        assert await unit.idempotency.get(MIA.id, "two") == reply


@pytest.mark.parametrize("text", ["half \ud800 a pair", "a NUL \x00"])
async def test_text_that_a_database_cannot_hold_is_the_callers_fault(unit: UnitOfWork, database_url: str, text: str) -> None:
    """It is said in the domain's words. SQLite can hold a NUL."""
    if "\x00" in text and database_url.startswith("sqlite"):
        await unit.tenants.add(replace(people.tenant("odd"), name=text))
        return
    with pytest.raises(InvalidText):
        await unit.tenants.add(replace(people.tenant("odd"), name=text))
