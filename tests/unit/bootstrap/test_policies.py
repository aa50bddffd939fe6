"""Policies from a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.policy import shipped_bundle
from tests.fakes.signed_policies import Signer, copied

from domicile.bootstrap.policies import load_bundle, load_unverified
from domicile.domain.errors import ConfigurationError, PolicyInvalid


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied(tmp_path / "policies")


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "policy.key")


def test_without_signers_policies_need_no_signature(folder: Path) -> None:
    """The shipped ones and a copy are the same bundle, and nobody signed it."""
    for bundle in (load_bundle(None, ()), load_bundle(folder, ())):
        assert (bundle.digest, bundle.signed_by) == (shipped_bundle().digest, "")


def test_a_signer_who_is_trusted_is_named(folder: Path, signer: Signer) -> None:
    """The signature changes nothing about what is decided, so the digest stays."""
    bundle = load_bundle(signer.sign(folder), [signer.key])
    assert (bundle.digest, bundle.signed_by) == (shipped_bundle().digest, signer.key.id)


def test_where_nobody_is_trusted_nobody_is_named(folder: Path, signer: Signer) -> None:
    """Anybody can have made the signature; to show it would be to vouch for it."""
    assert load_bundle(signer.sign(folder), ()).signed_by == ""


def test_unsigned_policies_are_refused_with_what_to_do(folder: Path, signer: Signer) -> None:
    """The shipped ones have to be copied first: they belong to the package."""
    with pytest.raises(PolicyInvalid, match="not signed") as own:
        load_bundle(folder, [signer.key])
    assert f"domicile policy sign {folder}" in own.value.advice
    with pytest.raises(PolicyInvalid, match="not signed") as shipped:
        load_bundle(None, [signer.key])
    assert all(word in shipped.value.advice for word in ("Copy", "sign", "DOMICILE_POLICY_DIR"))


def test_altered_policies_are_refused_even_where_nobody_has_to_sign(folder: Path, signer: Signer) -> None:
    """Whoever signed them did not mean these. Those who are writing them may still look at them, and sign them anew."""
    policies = signer.sign(folder) / "members.cedar"
    policies.write_text(policies.read_text() + "// one more remark\n")
    with pytest.raises(PolicyInvalid, match="not those that were signed"):
        load_bundle(folder, ())
    assert load_unverified(folder).signed_by == ""
    assert load_bundle(signer.sign(folder), [signer.key]).signed_by == signer.key.id


def test_the_signature_is_looked_at_before_the_policies(folder: Path, signer: Signer) -> None:
    """Nothing is parsed that nobody vouches for; the sentence is about the signature."""
    (signer.sign(folder) / "members.cedar").write_text("permit (")
    with pytest.raises(PolicyInvalid, match="not those that were signed"):
        load_bundle(folder, [signer.key])


def test_line_ends_count(folder: Path, signer: Signer) -> None:
    """A line end that was changed can turn a policy into part of a remark, or back."""
    policies = signer.sign(folder) / "members.cedar"
    policies.write_bytes(policies.read_bytes().replace(b"\n", b"\r\n", 1))
    with pytest.raises(PolicyInvalid, match="not those that were signed"):
        load_bundle(folder, [signer.key])


@pytest.mark.parametrize("missing", ["schema.cedarschema", "regions.yaml"])
def test_a_folder_without_its_parts_holds_no_policies(folder: Path, missing: str) -> None:
    """The sentence says what belongs there."""
    (folder / missing).unlink()
    with pytest.raises(ConfigurationError, match="no policies"):
        load_bundle(folder, ())


def test_a_file_that_is_no_text_is_named(folder: Path) -> None:
    """To say that there are no policies would send people to look in the wrong place."""
    (folder / "own.cedar").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"own\.cedar is not text in UTF-8"):
        load_bundle(folder, ())
