"""Files that list key providers, as operators write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

#: One provider of each kind, complete. None of these is there.
ENTRIES: Mapping[str, Mapping[str, Any]] = {
    "file": {"path": "/media/acme/root.key"},
    "pkcs11": {"module": "/usr/lib/hsm.so", "token_label": "domicile", "pin_file": "/run/secrets/pin"},
    "aws-kms": {
        "endpoint": "https://kms.eu-central-1.amazonaws.com",
        "signing_region": "eu-central-1",
        "key_id": "0f0f0f0f-1111-2222-3333-444455556666",
        "access_key_id": "AKIDOFTHETEST",
        "secret_key_file": "/run/secrets/kms",
    },
    "vault": {"address": "https://vault.example:8200", "key_name": "domicile", "token_file": "/run/secrets/vault"},
}


def entry(kind: str, name: str = "acme", **changes: object) -> dict[str, Any]:
    """An entry of that kind; a change to None leaves the field out."""
    made = {"name": name, "kind": kind, "region": "eu-de", **ENTRIES[kind], **changes}
    return {field: value for field, value in made.items() if value is not None}


def provider_file(folder: Path, *entries: Mapping[str, Any]) -> Path:
    path = folder / "providers.yaml"
    path.write_text(yaml.safe_dump({"providers": list(entries)}))
    return path
