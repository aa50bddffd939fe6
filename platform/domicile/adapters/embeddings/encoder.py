"""The model itself: texts in, unit vectors out. Importing this module loads torch, which takes seconds.

Transformers' own classes are used rather than those of sentence-transformers, which import three times as much before the first
vector; a test holds both to the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoModel
from transformers.utils.logging import disable_progress_bar

from domicile.ports.vector_index import Vector

#: Texts of one forward pass: on a CPU larger batches only add padding.
BATCH = 32


class Encoder:
    """One copy of the weights, for one thread at a time. ``window`` is in tokens, special ones included."""

    def __init__(self, folder: Path, *, window: int, dtype: str, threads: int) -> None:
        torch.set_num_threads(threads)
        disable_progress_bar()  # type: ignore[no-untyped-call]
        # Only a local folder of safetensors is read: nothing is fetched, and no code of the model's is run.
        model = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=getattr(torch, dtype)
        )
        self._model = model.eval()
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(window)
        self._tokenizer.no_padding()
        self._pad = model.config.pad_token_id or 0
        self._dimensions = model.config.hidden_size

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
        hidden = self._model(input_ids=tokens, attention_mask=mask).last_hidden_state
        # Averaged and normalised in float32: in bfloat16 products of unit vectors end up between 0.996 and above 1.
        weights = mask.unsqueeze(-1).float()
        mean = (hidden.float() * weights).sum(1) / weights.sum(1)
        vectors: Vector = torch.nn.functional.normalize(mean, dim=1).numpy()
        return vectors
