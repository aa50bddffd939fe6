"""Policies that somebody else put in the place of those that were signed: no cell starts, and no command runs, with them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.policy import shipped_regions, shipped_sources
from tests.fakes.signed_policies import Signer, copied
from typer.testing import CliRunner

from domicile.bootstrap import open_cell
from domicile.bootstrap.policies import load_bundle, load_unverified
from domicile.bootstrap.signing import NAME
from domicile.cli.main import app
from domicile.config import load_settings
from domicile.crypto.bundle_signature import encode, sign, verify
from domicile.crypto.signatures import SigningKey
from domicile.domain.errors import PolicyInvalid
from domicile.policy.bundle import PolicyBundle

EVERYTHING = '@id("open") @reason("All is open") permit (principal, action, resource);\n'
SCHEMA, POLICIES = shipped_sources()
REGIONS = shipped_regions()
KEY = SigningKey(b"policies" * 4)
SIGNED = encode(sign(PolicyBundle.digest_of(SCHEMA, POLICIES, REGIONS), KEY, "2026-11-24T12:00:00.000000Z"))


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "policy.key")


@pytest.fixture
def folder(tmp_path: Path, signer: Signer) -> Path:
    return signer.sign(copied(tmp_path / "policies"))


def _added(folder: Path) -> None:
    (folder / "open.cedar").write_text(EVERYTHING)


def _added_hidden(folder: Path) -> None:
    (folder / ".open.cedar").write_text(EVERYTHING)


def _removed(folder: Path) -> None:
    (folder / "guardrails.cedar").unlink()


def _renamed(folder: Path) -> None:
    (folder / "guardrails.cedar").rename(folder / "guard.cedar")


def _exchanged(folder: Path) -> None:
    (folder / "auditors.cedar").rename(folder / "kept")
    (folder / "members.cedar").rename(folder / "auditors.cedar")
    (folder / "kept").rename(folder / "members.cedar")


def _linked_elsewhere(folder: Path) -> None:
    (folder.parent / "elsewhere.cedar").write_text(EVERYTHING)
    (folder / "guardrails.cedar").unlink()
    (folder / "guardrails.cedar").symlink_to(folder.parent / "elsewhere.cedar")


def _another_region(folder: Path) -> None:
    regions = folder / "regions.yaml"
    regions.write_text(regions.read_text().replace("eu-de", "eu-dx"))


def _another_schema(folder: Path) -> None:
    schema = folder / "schema.cedarschema"
    schema.write_text(schema.read_text() + "\n")


def _marked(folder: Path) -> None:
    members = folder / "members.cedar"
    members.write_bytes(b"\xef\xbb\xbf" + members.read_bytes())


ALTERATIONS = [
    _added,
    _added_hidden,
    _removed,
    _renamed,
    _exchanged,
    _linked_elsewhere,
    _another_region,
    _another_schema,
    _marked,
]


@pytest.mark.parametrize("alter", ALTERATIONS)
def test_altered_policies_are_refused(folder: Path, signer: Signer, alter: Callable[[Path], None]) -> None:
    """Files added, removed, renamed, exchanged or linked elsewhere, regions and schema included."""
    assert load_bundle(folder, [signer.key]).signed_by == signer.key.id
    alter(folder)
    with pytest.raises(PolicyInvalid, match="not those that were signed"):
        load_bundle(folder, [signer.key])


def test_another_folders_signature_does_not_pass(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """Though the same key made it, and as truly."""
    other = copied(tmp_path / "other")
    _added(other)
    signer.sign(other)
    (folder / NAME).write_bytes((other / NAME).read_bytes())
    with pytest.raises(PolicyInvalid, match="not those that were signed"):
        load_bundle(folder, [signer.key])


def test_another_keys_signature_does_not_pass(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """Whoever can write to the folder can sign it with a key of their own, and gains nothing by it."""
    thief = Signer(tmp_path / "thief.key")
    _added(folder)
    thief.sign(folder)
    with pytest.raises(PolicyInvalid, match="does not trust"):
        load_bundle(folder, [signer.key])
    named = (folder / NAME).read_bytes().replace(thief.key.id.encode(), signer.key.id.encode())
    (folder / NAME).write_bytes(named)
    with pytest.raises(PolicyInvalid, match="though it says so"):
        load_bundle(folder, [signer.key])


def test_a_key_that_is_trusted_no_more_does_not_pass(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """That is how a signed bundle is withdrawn; while a key is replaced, both are listed."""
    successor = Signer(tmp_path / "successor.key")
    assert load_bundle(folder, [successor.key, signer.key]).signed_by == signer.key.id
    with pytest.raises(PolicyInvalid, match="does not trust"):
        load_bundle(folder, [successor.key])


def _no_signature(place: Path) -> None:
    place.unlink()


def _empty(place: Path) -> None:
    place.write_bytes(b"")


def _dangling(place: Path) -> None:
    place.unlink()
    place.symlink_to("nowhere")


def _folder(place: Path) -> None:
    place.unlink()
    place.mkdir()


def _pipe(place: Path) -> None:
    place.unlink()
    os.mkfifo(place)


def _endless(place: Path) -> None:
    place.unlink()
    place.symlink_to("/dev/zero")


def _huge(place: Path) -> None:
    place.write_bytes(place.read_bytes() + b" " * 10_000_000)


@pytest.mark.parametrize("alter", [_no_signature, _empty, _dangling, _folder, _pipe, _endless, _huge])
def test_a_signature_that_cannot_be_read_is_none(folder: Path, signer: Signer, alter: Callable[[Path], None]) -> None:
    """And never waits for one, or reads without end."""
    alter(folder / NAME)
    with pytest.raises(PolicyInvalid):
        load_bundle(folder, [signer.key])
    if alter is not _no_signature:  # What is there and cannot be read does not count as unsigned.
        with pytest.raises(PolicyInvalid):
            load_bundle(folder, ())


def test_a_mount_of_links_is_no_attack(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """Kubernetes mounts a ConfigMap as links; what counts is what is read through them."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    for path in folder.iterdir():
        (mounted / path.name).symlink_to(path)
    assert load_bundle(mounted, [signer.key]).signed_by == signer.key.id


@given(st.sampled_from(sorted([*POLICIES, "regions.yaml", "schema.cedarschema"])), st.data())
def test_no_changed_byte_of_any_file_passes(name: str, data: st.DataObject) -> None:
    """Whatever it makes of the file: the digest is of every byte that is read."""
    texts = {**POLICIES, "regions.yaml": REGIONS, "schema.cedarschema": SCHEMA}
    text = bytearray(texts[name].encode())
    text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 127))
    try:
        texts[name] = text.decode()
    except UnicodeDecodeError:
        return  # No policies at all.
    regions, schema = texts.pop("regions.yaml"), texts.pop("schema.cedarschema")
    with pytest.raises(PolicyInvalid, match="not those that were signed"):
        verify(SIGNED, PolicyBundle.digest_of(schema, texts, regions), [KEY.public])


def test_the_digest_that_is_verified_is_the_bundles_own(folder: Path) -> None:
    """What was signed is what every decision's record names."""
    assert load_unverified(folder).digest == PolicyBundle.digest_of(SCHEMA, POLICIES, REGIONS)


@pytest.mark.parametrize(
    "command", [["doctor"], ["init"], ["db", "upgrade"], ["db", "status"], ["tenant", "list"], ["audit", "show"]]
)
def test_no_command_runs_with_altered_policies(
    folder: Path, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """They refuse before anything is made or opened."""
    _added(folder)
    for name, value in _settings(folder, signer, tmp_path).items():
        monkeypatch.setenv(name, value)
    ran = CliRunner().invoke(app, [*command, *(["--tenant", "acme"] if command[0] == "audit" else [])])
    assert isinstance(ran.exception, PolicyInvalid), ran.output
    assert not (tmp_path / "cell").exists()


async def test_no_cell_opens_with_altered_policies(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """Neither the service nor a worker: both open a cell."""
    _added(folder)
    for run_jobs in (True, False):
        with pytest.raises(PolicyInvalid, match="not those that were signed"):
            async with open_cell(load_settings(_settings(folder, signer, tmp_path)), command="test", run_jobs=run_jobs):
                raise AssertionError
    assert not (tmp_path / "cell").exists()


def _settings(folder: Path, signer: Signer, tmp_path: Path) -> dict[str, str]:
    return {
        "DOMICILE_DATA_DIR": str(tmp_path / "cell"),
        "DOMICILE_REGION": "eu-de",
        "DOMICILE_POLICY_DIR": str(folder),
        "DOMICILE_POLICY_SIGNERS": signer.key.text,
    }
