"""The file that lists key providers (``DOMICILE_KEY_PROVIDERS_FILE``), read strictly: what is misspelt is refused, not ignored.

It holds no secret: each is in a file of its own, which is named here.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from domicile.adapters.egress.destinations import Destination, canonical, is_loopback
from domicile.config import Settings
from domicile.domain.errors import CallerError, ConfigurationError
from domicile.domain.values import Region, is_slug
from domicile.ports.keys import ROOT_PROVIDER

_SETTING = "DOMICILE_KEY_PROVIDERS_FILE"
#: What people call the secrets that belong into files.
_SECRETS = frozenset({"pin", "user_pin", "token", "secret", "secret_key", "secret_access_key", "password", "key", "root_key"})
_ADVICE = f"Correct the file that {_SETTING} names; see docs/keys.md."


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    name: str
    region: str

    @property
    def key(self) -> Hashable:
        """Which key it is: two providers of one key would be one, and a tenant's own key not its own."""
        raise NotImplementedError

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class FileEntry(_Entry, frozen=True, kw_only=True, tag="file"):
    path: str

    @property
    def key(self) -> Hashable:
        return Path(self.path).resolve()


class Pkcs11Entry(_Entry, frozen=True, kw_only=True, tag="pkcs11"):
    module: str
    token_label: str
    pin_file: str

    @property
    def key(self) -> Hashable:
        return self.module, self.token_label


class KmsEntry(_Entry, frozen=True, kw_only=True, tag="aws-kms", rename={"service_url": "endpoint"}):
    service_url: str
    signing_region: str
    key_id: str
    access_key_id: str
    secret_key_file: str
    older_key_ids: tuple[str, ...] = ()
    ca_file: str = ""

    @property
    def key(self) -> Hashable:
        return self.service_url, self.key_id.rpartition("/")[2]


class VaultEntry(_Entry, frozen=True, kw_only=True, tag="vault", rename={"service_url": "address"}):
    service_url: str
    key_name: str
    token_file: str
    mount: str = "transit"
    ca_file: str = ""

    @property
    def key(self) -> Hashable:
        return self.service_url, self.mount.strip("/"), self.key_name


#: Providers outside of this machine, and all of them.
Remote = KmsEntry | VaultEntry
Entry = FileEntry | Pkcs11Entry | Remote


def provider_entries(settings: Settings) -> tuple[Entry, ...]:
    """Every provider, the cell's own first: where the file defines none, that is the key file of the settings.

    Raises ``ConfigurationError`` with the first thing that is wrong.
    """
    listed = _listed(settings.key_providers_file) if settings.key_providers_file else ()
    roots = [each for each in listed if each.name == ROOT_PROVIDER]
    own = roots or [FileEntry(name=ROOT_PROVIDER, region=settings.region, path=str(settings.root_key_path))]
    entries = (*own, *(each for each in listed if each.name != ROOT_PROVIDER))
    _refuse_repeated([each.name for each in entries], "have the same name")
    _refuse_repeated([each.key for each in entries], "are the same key")
    return entries


def _listed(path: Path) -> tuple[Entry, ...]:
    found = _read(path)
    if not isinstance(found, dict) or set(found) != {"providers"} or not isinstance(found["providers"], list):
        raise ConfigurationError(f"{path} is not a list of key providers.", hint="It holds 'providers:' with a list below.")
    return tuple(_entry(each, number) for number, each in enumerate(found["providers"], 1))


def _entry(found: object, number: int) -> Entry:
    name = found.get("name") if isinstance(found, dict) else None
    who = f"The key provider '{name}'" if isinstance(name, str) and is_slug(name) else f"The key provider number {number}"
    if isinstance(found, dict) and (inline := sorted(_SECRETS & found.keys())):
        raise ConfigurationError(
            f"{who} has a secret in the file itself ({inline[0]}), where others can read it.",
            hint="Put it into a file of its own and name that: pin_file, secret_key_file or token_file.",
        )
    try:
        entry: Entry = msgspec.convert(found, type=Entry)
        Region(entry.region)
    except (msgspec.ValidationError, CallerError) as error:
        raise ConfigurationError(f"{who} is not as it has to be: {_plain(error)}.", hint=_ADVICE) from None
    if wrong := _wrong(entry):
        raise ConfigurationError(f"{who} {wrong}.", hint=_ADVICE)
    return entry


def _wrong(entry: Entry) -> str:
    """What is wrong with the values; the sentence repeats none of them."""
    if not is_slug(entry.name):
        return "needs a short lower-case name of letters, digits and hyphens"
    for field, value in msgspec.structs.asdict(entry).items():
        if value == "" and field != "ca_file":
            return f"has an empty {entry.__struct_encode_fields__[entry.__struct_fields__.index(field)]}"
        if value and (field in {"path", "module"} or field.endswith("_file")) and not Path(value).is_absolute():
            return f"names its {field} without the whole path"
    return _wrong_address(entry.service_url) if isinstance(entry, KmsEntry | VaultEntry) else ""


def _wrong_address(address: str) -> str:
    """Keys go there: nobody on the way may read them."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return "has an address that is none"
    if not host or parts.username or parts.password or parts.query or parts.fragment:
        return "has an address that is more or less than scheme, host and port"
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(Destination(canonical(host), 80))):
        return "has an address without TLS: outside of this machine it has to begin with https"
    return ""


def _refuse_repeated(values: Sequence[Hashable], what: str) -> None:
    if len(set(values)) < len(values):
        raise ConfigurationError(f"Two key providers {what}.", hint=_ADVICE)


def _plain(error: Exception) -> str:
    """The message without its full stop and without markup; it names fields and kinds, and no value but a kind or region."""
    return str(error).replace("`", "'").rstrip(".")


def _read(path: Path) -> Any:
    """What is in the file. A key that is given twice is refused: YAML would silently take the last one."""
    import yaml

    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # as the library has it
            names = [self.construct_object(name, deep=True) for name, _ in node.value]
            if any(not isinstance(name, str) for name in names) or len(set(names)) < len(names):
                raise yaml.YAMLError
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(path.read_text("utf-8"), Strict)  # noqa: S506  # it is a safe loader
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"The key providers' file {path} cannot be read.", hint="Check its path and owner.") from None
    except (yaml.YAMLError, RecursionError):
        raise ConfigurationError(
            f"{path} is not YAML, or gives one field twice.", hint="Look at its indentation and for repeated fields."
        ) from None
