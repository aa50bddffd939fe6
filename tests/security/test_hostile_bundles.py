"""Bundles that somebody made up: each is refused with its own sentence, and nothing of it is taken."""

from __future__ import annotations

import io
import json
import re
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.cell import HOME, MemoryCell
from tests.unit.lifecycle.test_importing import imported, second_cell, untouched

from domicile.audit.events import Outcome
from domicile.crypto.signatures import SigningKey
from domicile.domain.actions import Action
from domicile.domain.errors import BundleInvalid, CallerError
from domicile.lifecycle import bundle_reading
from domicile.lifecycle.bundle_reading import Bundle
from domicile.lifecycle.bundle_writing import BundleWriter
from domicile.lifecycle.contents import document_paths
from domicile.lifecycle.manifest import (
    FORMAT,
    MANIFEST,
    PREFIX,
    SIGNATURE,
    BundleKind,
    Entry,
    Manifest,
    decode,
    encode,
    signature,
)

KEY = SigningKey(b"maker" * 6 + b"..")
ID = UUID(int=7)
MARKS = {
    "classification": "internal",
    "groups": [],
    "owner": None,
    "labels": [],
    "personal_data": False,
    "valid_from": None,
    "valid_until": None,
}
DOCUMENT = {
    "id": str(ID),
    "collection": "handbook",
    "title": "A",
    "source": "a.md",
    "media_type": "text/markdown",
    "language": "",
    "marks": MARKS,
    "region": "eu-de",
    "size": 4,
    "created_at": "2026-01-01T00:00:00Z",
    "published_at": "2026-01-01T00:00:00Z",
}
TENANT = {
    "slug": "acme",
    "name": "Acme",
    "region": "eu-de",
    "allowed_regions": [],
    "collections": [],
    "groups": [],
    "nested_groups": [],
    "people": [],
    "policies": "",
    "retention": [],
    "holds": [],
}


@dataclass
class Forgery:
    """A bundle that is right, until something about it is changed."""

    files: dict[str, bytes] = field(default_factory=dict)
    document: dict[str, object] = field(default_factory=lambda: dict(DOCUMENT))
    manifest: dict[str, object] = field(default_factory=dict)
    key: SigningKey = KEY
    drop: frozenset[str] = frozenset()

    def contents(self) -> dict[str, bytes]:
        description, original, text = document_paths(ID)
        return {
            "tenant.json": json.dumps(TENANT).encode(),
            description: json.dumps(self.document).encode(),
            original: b"# A\n\nQuokkaberry.\n",
            text: b"A Quokkaberry.",
            "access.jsonl": b"",
            **self.files,
        }

    def writer(self) -> tuple[BundleWriter, bytes]:
        writer, made = BundleWriter(), b""
        for path, content in self.contents().items():
            made += writer.add(path, "x", content)
        return writer, made

    def manifest_of(self, entries: tuple[Entry, ...]) -> Manifest:
        said: dict[str, object] = {
            "bundle_digest": "",
            "cell": "forger",
            "entries": tuple(each for each in entries if each.path not in self.drop),
            "format": FORMAT,
            "key_id": self.key.public.id,
            "kind": BundleKind.TENANT,
            "made_at": "2026-01-01T00:00:00.000000Z",
            "region": "eu-de",
            "tenant": "acme",
            "tenant_id": UUID(int=1),
            "withheld": (),
        }
        return Manifest(**{**said, **self.manifest})  # type: ignore[arg-type]

    def bytes(self) -> bytes:
        writer, made = self.writer()
        return made + writer.close(self.manifest_of(writer.entries), self.key)


def repacked(content: bytes, change: Callable[[ZipFile, dict[str, bytes]], None]) -> bytes:
    """Another archive with the same files, but for what the change does."""
    with ZipFile(io.BytesIO(content)) as read:
        files = {name: read.read(name) for name in read.namelist()}
    made = io.BytesIO()
    with ZipFile(made, "w", ZIP_STORED) as archive:
        change(archive, files)
        for name, body in files.items():
            archive.writestr(ZipInfo(name), body)
    return made.getvalue()


def _renamed(name: str) -> Callable[[ZipFile, dict[str, bytes]], None]:
    def change(_: ZipFile, files: dict[str, bytes]) -> None:
        files[name] = files.pop("access.jsonl")

    return change


def _twice(archive: ZipFile, files: dict[str, bytes]) -> None:
    archive.writestr(ZipInfo("access.jsonl"), b"other")


def _compressed(archive: ZipFile, files: dict[str, bytes]) -> None:
    """A bomb: a thousand bytes that unpack to a million."""
    del files["access.jsonl"]
    archive.writestr(ZipInfo("access.jsonl"), bytes(1_000_000), compress_type=ZIP_DEFLATED)


def _without(name: str) -> Callable[[ZipFile, dict[str, bytes]], None]:
    def change(_: ZipFile, files: dict[str, bytes]) -> None:
        del files[name]

    return change


def _altered(path: str) -> Callable[[ZipFile, dict[str, bytes]], None]:
    def change(_: ZipFile, files: dict[str, bytes]) -> None:
        files[path] = files[path].replace(b"Quokka", b"Zephyr")

    return change


def _added(_: ZipFile, files: dict[str, bytes]) -> None:
    files["account.json"] = b"{}"


def _spaced(_: ZipFile, files: dict[str, bytes]) -> None:
    """The same manifest in another form, signed as it is."""
    files[MANIFEST] = json.dumps(json.loads(files[MANIFEST]), indent=1).encode()
    files[SIGNATURE] = signature_of(files[MANIFEST])


def signature_of(body: bytes) -> bytes:
    return signature(body, KEY)


def _more(_: ZipFile, files: dict[str, bytes]) -> None:
    """A field that the format does not have."""
    said = json.loads(files[MANIFEST])
    files[MANIFEST] = json.dumps({**said, "z": 1}, separators=(",", ":"), sort_keys=True).encode()


def _overlapping(content: bytes) -> bytes:
    """Two names for the same bytes, as in bombs that need no compression: the list says more than the file has."""
    made = bytearray(content)
    start = made.index(b"PK\x01\x02")
    end = len(made) - 22
    listed, count = bytes(made[start:end]), struct.unpack_from("<H", made, end + 10)[0]
    fake = bytearray()
    for number in range(2000):
        name = f"documents/{UUID(int=1000 + number)}/original".encode()
        head = bytearray(listed[:46])
        struct.pack_into("<L", head, 20, len(content) // 2)
        struct.pack_into("<L", head, 24, len(content) // 2)
        struct.pack_into("<H", head, 28, len(name))
        struct.pack_into("<H", head, 30, 0)
        fake += head + name
    tail = bytearray(made[end:])
    struct.pack_into("<HH", tail, 8, count + 2000, count + 2000)
    struct.pack_into("<L", tail, 12, len(listed) + len(fake))
    return bytes(made[:end]) + bytes(fake) + bytes(tail)


def _zip64_elsewhere(content: bytes) -> bytes:
    """What leads to the larger form of the end leads somewhere else than directly before."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 0, 0, 0, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 4, 1)
    return content[:-22] + record + locator + content[-22:]


def _flagged(content: bytes, flag: int) -> bytes:
    """Its first file is listed with a flag of archives that no reader here knows."""
    made = bytearray(content)
    made[made.index(b"PK\x01\x02") + 8] |= flag
    return bytes(made)


def _unreadable_name(content: bytes) -> bytes:
    """Its first file has another name where it stands, in no encoding, than where it is listed."""
    made = bytearray(content)
    made[7] |= 0x08  # Names are UTF-8.
    made[30] = 0xFF
    return bytes(made)


def _before_the_beginning(content: bytes) -> bytes:
    """Everything is said to be further back than it is, but for the first file: that begins before the archive does."""
    made = bytearray(content)
    places = [each.start() + 42 for each in re.finditer(rb"PK\x01\x02", content)][1:]
    for place in (*places, len(made) - 6):
        struct.pack_into("<L", made, place, struct.unpack_from("<L", made, place)[0] + 1000)
    return bytes(made)


WHOLE = Forgery().bytes()
ATTACKS: dict[str, tuple[bytes, str]] = {
    "no archive": (b"quokka" * 1000, "no bundle, or was cut off"),
    "empty": (b"", "no bundle, or was cut off"),
    "cut off": (WHOLE[:-40], "no bundle, or was cut off"),
    "with something behind it": (WHOLE + b"x", "no bundle, or was cut off"),
    "a path out of it": (repacked(WHOLE, _renamed("../../etc/passwd")), "a name that no bundle has"),
    "an absolute path": (repacked(WHOLE, _renamed("/etc/passwd")), "a name that no bundle has"),
    "a path of Windows": (repacked(WHOLE, _renamed("documents\\x")), "a name that no bundle has"),
    "a folder": (repacked(WHOLE, _renamed("documents/")), "a name that no bundle has"),
    "compressed": (repacked(WHOLE, _compressed), "compressed or encrypted"),
    "before its beginning": (_before_the_beginning(WHOLE), "outside of it"),
    "patched": (_flagged(WHOLE, 0x20), "1 altered"),
    "strongly encrypted": (_flagged(WHOLE, 0x40), "1 altered"),
    "a name in no encoding": (_unreadable_name(WHOLE), "1 altered"),
    "overlapping": (_overlapping(WHOLE), "overlap"),
    "two ends": (_zip64_elsewhere(WHOLE), "no bundle, or was cut off"),
    "without manifest": (repacked(WHOLE, _without(MANIFEST)), "no manifest.json"),
    "without signature": (repacked(WHOLE, _without(SIGNATURE)), "no manifest.sig"),
    "a manifest in another form": (repacked(WHOLE, _spaced), "not written in its canonical form"),
    "a manifest that says more": (repacked(WHOLE, _more), "does not have the form of one"),
    "an altered document": (repacked(WHOLE, _altered(f"documents/{ID}/original")), "1 altered"),
    "a missing document": (repacked(WHOLE, _without(f"documents/{ID}/text.txt")), "1 missing"),
    "a file that was added": (repacked(WHOLE, _added), "1 not in the manifest"),
    "a file that the manifest does not list": (Forgery(drop=frozenset({"access.jsonl"})).bytes(), "1 not in the manifest"),
    "signed by another key": (Forgery(key=SigningKey(b"other" * 6 + b"..")).bytes(), "was signed with key"),
    "another key's name on it": (Forgery(manifest={"key_id": SigningKey(b"o" * 32).public.id}).bytes(), "was signed with key"),
    "of a person": (Forgery(manifest={"kind": BundleKind.SUBJECT}).bytes(), "of one person"),
    "of another tenant": (Forgery(manifest={"tenant": "globex"}).bytes(), "of another name"),
    "a document of another id": (Forgery(document={**DOCUMENT, "id": str(UUID(int=8))}).bytes(), "not the one"),
    "a document without an id": (Forgery(document={"x": 1}).bytes(), "does not have the right form"),
    "a document without a source": (Forgery(document={**DOCUMENT, "source": ""}).bytes(), "source has 1 to 1024"),
    "a conversation that is none": (
        Forgery(files={f"conversations/{ID}.json": b"[]"}).bytes(),
        "conversation in the bundle does not have the right form",
    ),
}


@pytest.fixture
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    async with second_cell(tmp_path / "cell", HOME) as opened:
        yield opened


async def test_one_that_nobody_touched_is_taken(cell: MemoryCell) -> None:
    """So that the others are refused for what was done to them."""
    assert (await imported(cell, WHOLE, KEY.public)).documents == 1


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_hostile_bundle_is_refused_and_nothing_of_it_is_taken(cell: MemoryCell, attack: str) -> None:
    """With its own sentence; the failure is in the log, and no words of the bundle are."""
    content, sentence = ATTACKS[attack]
    with pytest.raises(BundleInvalid, match=sentence) as refused:
        await imported(cell, content, KEY.public)
    await untouched(cell)
    told = f"{refused.value} {refused.value.advice}"
    assert "uokkaberry" not in told
    assert "passwd" not in told
    log = await cell.audit_log.read(cell.people["ada"].tenant.id, limit=10)
    failed = [each.event for each in log if each.event.action is Action.IMPORT_CREATE]
    assert [(each.outcome, each.reason) for each in failed] == [(Outcome.FAILED, "bundle-invalid")]


async def test_a_name_that_comes_twice_is_refused(cell: MemoryCell) -> None:
    """Two readers could see two contents."""
    with pytest.warns(UserWarning, match="Duplicate"):
        content = repacked(WHOLE, _twice)
    with pytest.raises(BundleInvalid, match=r"holds access\.jsonl twice"):
        await imported(cell, content, KEY.public)
    await untouched(cell)


@pytest.mark.parametrize(
    "marks", [{"classification": "secret"}, {"labels": ["Not a label"]}, {"groups": ["council"]}, {"owner": "nobody"}]
)
async def test_marks_that_cannot_be_keep_all_out(cell: MemoryCell, marks: dict[str, object]) -> None:
    """Signed or not."""
    content = Forgery(document={**DOCUMENT, "marks": {**MARKS, **marks}}).bytes()
    with pytest.raises(CallerError):
        await imported(cell, content, KEY.public)
    await untouched(cell)


async def test_a_region_that_cannot_be_keeps_all_out(cell: MemoryCell) -> None:
    """Where it comes from is not guessed; the failure is in the log."""
    with pytest.raises(CallerError, match="not a region"):
        await imported(cell, Forgery(manifest={"region": "everywhere"}).bytes(), KEY.public)
    await untouched(cell)
    log = await cell.audit_log.read(cell.people["ada"].tenant.id, limit=10)
    failed = [each.event.outcome for each in log if each.event.action is Action.IMPORT_CREATE]
    assert failed == [Outcome.FAILED]


async def test_a_list_of_files_that_is_too_long_is_not_read(cell: MemoryCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be held in memory as a whole; what it says of its own length is enough to refuse it."""
    monkeypatch.setattr(bundle_reading, "MOST_LISTED_BYTES", 100)
    with pytest.raises(BundleInvalid, match="more files than can be taken"):
        await imported(cell, WHOLE, KEY.public)
    await untouched(cell)


def test_no_other_statement_of_the_key_is_a_bundles() -> None:
    """What a cell signs has a prefix of its own for each kind."""
    writer, made = Forgery().writer()
    body = encode(Forgery().manifest_of(writer.entries))
    content = made + writer.close(decode(body), KEY)
    bundle = Bundle.open(io.BytesIO(content))
    bundle.verify(KEY.public)
    assert KEY.public.verifies(KEY.sign(PREFIX + body), PREFIX + body)
    assert not KEY.public.verifies(KEY.sign(body), PREFIX + body)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_any_altered_byte_is_found(place: int, change: int) -> None:
    """Wherever it is, but for what an archive does not look at, and then nothing that is read is another."""
    altered = bytearray(WHOLE)
    altered[place] ^= change
    try:
        bundle = Bundle.open(io.BytesIO(altered))
        bundle.verify(KEY.public)
        bundle.check()
    except BundleInvalid:
        return
    whole = Bundle.open(io.BytesIO(WHOLE))
    assert bundle.manifest == whole.manifest
    assert {path: bundle.read(path) for path in bundle.paths} == {path: whole.read(path) for path in whole.paths}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(WHOLE) - 1))
def test_no_beginning_of_a_bundle_is_one(length: int) -> None:
    """An interrupted download is nothing that looks complete."""
    with pytest.raises(BundleInvalid):
        Bundle.open(io.BytesIO(WHOLE[:length]))
