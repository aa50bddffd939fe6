"""Nothing but the model: encodes the texts of a file and prints the seconds that it took.

With the same encoder, number format, threads and priority as the bulk process, and all texts at once, which lets the encoder
sort all of them by length.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec

from domicile.adapters.embeddings.bulk_child import yield_to_everything_else
from domicile.adapters.embeddings.precision import chosen_dtype
from domicile.adapters.embeddings.threads import processors, wait_patiently
from domicile.adapters.embeddings.weights import verified_weights


def main(path: str) -> None:
    yield_to_everything_else()
    wait_patiently()
    from domicile.adapters.embeddings.encoder import Encoder

    texts = msgspec.msgpack.decode(Path(path).read_bytes(), type=list[str])
    weights = verified_weights()
    encoder = Encoder(weights.folder, window=weights.window, dtype=chosen_dtype("auto"), threads=processors())
    encoder.encode(["The model is loaded when this is embedded."])
    started = time.perf_counter()
    encoder.encode(texts)
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main(sys.argv[1])
