"""`python make_tiny_model.py FOLDER` writes a random model and a tokenizer with a chat template.

Run with the Python of SGLang's own environment. Nothing is downloaded: the tokenizer learns its
pieces from a standard module's source, so that a token is a few characters, as in prose.
"""

import inspect
import sys
from pathlib import Path
from typing import Any

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

# What the server's cache holds (--max-total-tokens): one request may fill it, with its passages.
CONTEXT_TOKENS = 16384
END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' ~ message.role ~ '\n' ~ message.content ~ '<|im_end|>\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)


def write_model(folder: Path) -> None:
    """Write weights that say only noise, for a server whose behaviour around them is real."""
    pieces = ByteLevelBPETokenizer()
    pieces.train_from_iterator(
        [inspect.getsource(inspect)],
        vocab_size=2048,
        special_tokens=[END, START, STOP],
        show_progress=False,
    )
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=pieces._tokenizer,
        pad_token=END,
        eos_token=STOP,
        additional_special_tokens=[START],
        model_max_length=CONTEXT_TOKENS,
        chat_template=CHAT_TEMPLATE,
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)  # The same answers on every machine that computes alike.
    settings: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128}
    settings |= {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = Qwen2Config(
        **settings,
        vocab_size=len(tokenizer),
        max_position_embeddings=CONTEXT_TOKENS,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen2ForCausalLM(config).bfloat16().save_pretrained(folder)


if __name__ == "__main__":
    write_model(Path(sys.argv[1]))
