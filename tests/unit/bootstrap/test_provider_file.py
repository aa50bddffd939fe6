"""The file of key providers: what is in it, and everything that is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.provider_files import ENTRIES, entry, provider_file

from domicile.bootstrap.provider_file import FileEntry, provider_entries
from domicile.config import Settings
from domicile.domain.errors import ConfigurationError


def settings(path: Path | None) -> Settings:
    return Settings(data_dir=Path("/srv/cell"), region="eu-de", key_providers_file=path)


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        provider_entries(settings(path))
    assert caught.value.advice
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_file_there_is_the_key_file_alone() -> None:
    """As it was before there were other providers."""
    assert provider_entries(settings(None)) == (FileEntry(name="root", region="eu-de", path="/srv/cell.keys/root.key"),)


def test_the_cells_own_comes_first(tmp_path: Path) -> None:
    """Whether or not the file defines it, and wherever."""
    listed = [entry(kind, f"tenant-{kind}") for kind in ENTRIES]
    names = [each.name for each in provider_entries(settings(provider_file(tmp_path, *listed)))]
    assert names == ["root", *(each["name"] for each in listed)]
    found = provider_entries(settings(provider_file(tmp_path, *listed, entry("vault", "root", mount="own"))))
    assert [found[0].name, found[0].kind, len(found)] == ["root", "vault", 5]


@pytest.mark.parametrize("kind", ENTRIES)
def test_nothing_may_be_left_out(tmp_path: Path, kind: str) -> None:
    """Above all not the region; whatever else is missing is named as well."""
    for field in ("name", "region", *ENTRIES[kind]):
        assert f"'{field}'" in refusal(provider_file(tmp_path, entry(kind, **{field: None})))
        if field != "name":
            assert "empty" in refusal(provider_file(tmp_path, entry(kind, **{field: ""}))) or field == "region"


@pytest.mark.parametrize("kind", ENTRIES)
@pytest.mark.parametrize("field", ["pin", "token", "secret_access_key", "password", "key"])
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, kind: str, field: str) -> None:
    """The sentence names the field, and where such a thing belongs."""
    told = refusal(provider_file(tmp_path, entry(kind, **{field: "hunter2-hunter2"})))
    assert field in told
    assert "hunter2" not in told


@pytest.mark.parametrize("kind", ENTRIES)
def test_a_misspelt_field_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    """Ignoring it would mean something else than what somebody wrote."""
    assert "'regoin'" in refusal(provider_file(tmp_path, entry(kind, regoin="eu-de")))


@pytest.mark.parametrize("field", ["endpoint", "address"])
@pytest.mark.parametrize(
    "address",
    ["", "kms", "http://kms.example:8200", "https://", "https://user:hunter2@kms.example", "https://kms.example?x=1", "http://[::1",
     "ftp://kms.example"],
)  # fmt: skip
def test_an_address_has_to_be_one_that_keys_may_go_to(tmp_path: Path, field: str, address: str) -> None:
    """With TLS, outside of this machine, and with nothing in it but scheme, host and port."""
    kind = "aws-kms" if field == "endpoint" else "vault"
    assert "hunter2" not in refusal(provider_file(tmp_path, entry(kind, **{field: address})))
    for good in ("https://10.1.2.3:8200", "http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200"):
        assert len(provider_entries(settings(provider_file(tmp_path, entry(kind, **{field: good}))))) == 2


@pytest.mark.parametrize("region", ["Frankfurt", "eu", "", "*"])
def test_a_region_has_to_be_one(tmp_path: Path, region: str) -> None:
    """There is no default."""
    refusal(provider_file(tmp_path, entry("vault", region=region)))


@pytest.mark.parametrize("name", ["Acme", "a b", "../x", "", "x" * 65])
def test_a_name_has_to_be_short_and_plain(tmp_path: Path, name: str) -> None:
    """It stands in tenants' keys, in the inventory and in commands."""
    refusal(provider_file(tmp_path, entry("vault", name)))


def test_a_name_or_a_key_stands_there_once(tmp_path: Path) -> None:
    """Of two providers of one key, one would not be a tenant's own."""
    assert "the same name" in refusal(provider_file(tmp_path, entry("vault"), entry("file")))
    for kind in ENTRIES:
        assert "the same key" in refusal(provider_file(tmp_path, entry(kind), entry(kind, "globex")))
    arn = "arn:aws:kms:eu-central-1:123456789012:key/" + ENTRIES["aws-kms"]["key_id"]
    assert "the same key" in refusal(provider_file(tmp_path, entry("aws-kms"), entry("aws-kms", "globex", key_id=arn)))
    assert "the same key" in refusal(provider_file(tmp_path, entry("file", path="/srv/cell.keys/root.key")))


@pytest.mark.parametrize(
    ("kind", "field"), [("file", "path"), ("pkcs11", "module"), ("pkcs11", "pin_file"), ("vault", "ca_file")]
)
def test_a_path_is_a_whole_one(tmp_path: Path, kind: str, field: str) -> None:
    """One that depends on where the service was started from would one day be another file."""
    assert field in refusal(provider_file(tmp_path, entry(kind, **{field: "secrets/x"})))


@pytest.mark.parametrize(
    "text",
    [
        "", "providers:", "providers: {}", "- name: acme", "providers: []\nmore: 1", "providers: [1]", "providers: [[]]",
        "a: b: c", "providers:\n- {name: a, name: b}", "providers:\n- {region: eu-de, 1: 2}", "\t", "providers: [&a [*a]]",
        "providers:\n- !!python/object/apply:os.system ['true']", "providers:\n- {name: acme, kind: consul, region: eu-de}",
        "providers:\n- {name: acme, region: eu-de, path: /x}", "[" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str) -> None:
    """Also a field that is given twice, of which YAML would silently take the last."""
    path = tmp_path / "providers.yaml"
    path.write_text(text)
    refusal(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """And one that is no text."""
    assert "missing.yaml" in refusal(tmp_path / "missing.yaml")
    path = tmp_path / "providers.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "providers.yaml" in refusal(path)
