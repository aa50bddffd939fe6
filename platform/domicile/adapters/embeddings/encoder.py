"""The model itself: texts in, unit vectors out. Importing this module loads torch, which takes two seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from domicile.adapters.embeddings.bert import Bert, bert_shape, read_config
from domicile.ports.vector_index import Vector

#: Texts of one forward pass: on a CPU larger batches only add padding.
BATCH = 32


class Encoder:
    """One copy of the weights, for one thread at a time. ``window`` is in tokens, special ones included."""

    def __init__(self, folder: Path, *, window: int, dtype: str, threads: int) -> None:
        torch.set_num_threads(threads)
        config = read_config(folder)
        shape = bert_shape(config)
        wanted: torch.dtype = getattr(torch, dtype)
        self._hidden_states = Bert(folder, shape, wanted) if shape else any_architecture(folder, wanted)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(window)
        self._tokenizer.no_padding()
        self._pad = config.get("pad_token_id") or 0
        self._dimensions = config["hidden_size"]

    def encode(self, texts: Sequence[str]) -> Vector:
        """Float32 of shape (len(texts), dimensions), in the order given; texts of like length share a batch."""
        ids = [list(each.ids) for each in self._tokenizer.encode_batch_fast(list(texts))]
        order = sorted(range(len(ids)), key=lambda position: len(ids[position]))
        vectors = np.empty((len(ids), self._dimensions), dtype=np.float32)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            vectors[chosen] = self._forward([ids[position] for position in chosen])
        return vectors

    @torch.inference_mode()
    def _forward(self, ids: list[list[int]]) -> Vector:
        longest = max(map(len, ids))
        tokens = torch.tensor([each + [self._pad] * (longest - len(each)) for each in ids])
        mask = torch.tensor([[1] * len(each) + [0] * (longest - len(each)) for each in ids])
        # Averaged and normalised in float32: in bfloat16 products of unit vectors end up between 0.996 and above 1.
        weights = mask.unsqueeze(-1).float()
        mean = (self._hidden_states(tokens, mask).float() * weights).sum(1) / weights.sum(1)
        vectors: Vector = torch.nn.functional.normalize(mean, dim=1).numpy()
        return vectors


def any_architecture(folder: Path, dtype: torch.dtype) -> Callable[[Tensor, Tensor], Tensor]:
    """Hidden states by transformers' own class for the model, whose import takes seconds.

    Only a local folder of safetensors is read: nothing is fetched, and no code of the model's is run.
    """
    from transformers import AutoModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    model = AutoModel.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=dtype
    ).eval()

    def hidden_states(ids: Tensor, mask: Tensor) -> Tensor:
        states: Tensor = model(input_ids=ids, attention_mask=mask).last_hidden_state
        return states

    return hidden_states
