"""The BERT encoder (Devlin et al. 2019), computed with torch alone.

Only to start fast: transformers' class gives the same vectors (a test compares them to 1e-5), and importing it takes 5 s where
this takes none, both in the service and in each bulk process. Other architectures are left to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import embedding, gelu, layer_norm, linear, scaled_dot_product_attention


@dataclass(frozen=True, slots=True)
class BertShape:
    """What of a model's ``config.json`` the computation needs."""

    layers: int
    heads: int
    epsilon: float


def bert_shape(config: Mapping[str, Any]) -> BertShape | None:
    """The shape of a model that this module computes exactly; ``None`` for every other."""
    plain = (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
    )
    if not plain:
        return None
    return BertShape(config["num_hidden_layers"], config["num_attention_heads"], config.get("layer_norm_eps", 1e-12))


class Bert:
    """Token ids and mask, both of shape (texts, tokens), to hidden states of shape (texts, tokens, dimensions)."""

    def __init__(self, folder: Path, shape: BertShape, dtype: torch.dtype) -> None:
        self._shape = shape
        stored = load_file(folder / "model.safetensors")
        self._weights = {
            name.removeprefix("bert."): tensor.to(dtype)
            for name, tensor in stored.items()
            if tensor.is_floating_point() and "pooler." not in name
        }

    def __call__(self, ids: Tensor, mask: Tensor) -> Tensor:
        # Where no text is padded attention needs no mask, and a faster kernel is taken.
        visible = None if bool(mask.all()) else mask[:, None, None, :].bool()
        hidden = self._embedded(ids)
        for layer in range(self._shape.layers):
            hidden = self._layer(f"encoder.layer.{layer}.", hidden, visible)
        return hidden

    def _embedded(self, ids: Tensor) -> Tensor:
        words = embedding(ids, self._weights["embeddings.word_embeddings.weight"])
        places = self._weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        # All tokens are of the first segment.
        segment = self._weights["embeddings.token_type_embeddings.weight"][0]
        return self._normed("embeddings.LayerNorm", words + places + segment)

    def _layer(self, name: str, hidden: Tensor, visible: Tensor | None) -> Tensor:
        attended = self._linear(name + "attention.output.dense", self._attention(name, hidden, visible))
        hidden = self._normed(name + "attention.output.LayerNorm", attended + hidden)
        inner = gelu(self._linear(name + "intermediate.dense", hidden))
        return self._normed(name + "output.LayerNorm", self._linear(name + "output.dense", inner) + hidden)

    def _attention(self, name: str, hidden: Tensor, visible: Tensor | None) -> Tensor:
        texts, tokens, width = hidden.shape
        query, key, value = (
            self._linear(f"{name}attention.self.{part}", hidden).view(texts, tokens, self._shape.heads, -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        attended = scaled_dot_product_attention(query, key, value, attn_mask=visible)
        return attended.transpose(1, 2).reshape(texts, tokens, width)

    def _linear(self, name: str, hidden: Tensor) -> Tensor:
        return linear(hidden, self._weights[name + ".weight"], self._weights[name + ".bias"])

    def _normed(self, name: str, hidden: Tensor) -> Tensor:
        scale, shift = self._weights[name + ".weight"], self._weights[name + ".bias"]
        return layer_norm(hidden, scale.shape, scale, shift, self._shape.epsilon)


def read_config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    return config
