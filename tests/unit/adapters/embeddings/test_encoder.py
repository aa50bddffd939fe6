"""The vectors are those that the model's own library computes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from domicile.adapters.embeddings.bert import bert_shape, read_config
from domicile.adapters.embeddings.weights import verified_weights

TEXTS = [
    "How do I record travel time?",
    "Die Reisezeit wird im Zeiterfassungssystem eingetragen.",
    "",
    "word " * 600,
    "Les congés payés — 25 jours ouvrés par an.\n\n# Titre",
    *(f"passage {n} " * n for n in range(1, 70, 9)),
]


@pytest.fixture(scope="module")
def encoder():
    from domicile.adapters.embeddings.encoder import Encoder

    weights = verified_weights()
    return Encoder(weights.folder, window=weights.window, dtype="float32", threads=1)


@pytest.mark.slow
def test_vectors_equal_those_of_sentence_transformers(encoder):
    """Tokens, window, attention, pooling and normalisation agree with the reference, in every length and order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        reference = SentenceTransformer(str(verified_weights().folder), device="cpu", local_files_only=True)
        expected = reference.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-5)


@pytest.mark.slow
def test_other_architectures_take_the_librarys_own_computation(encoder, monkeypatch):
    """The way that models other than BERT go gives the same vectors for this one."""
    from domicile.adapters.embeddings import encoder as module

    monkeypatch.setattr(module, "bert_shape", lambda config: None)
    weights = verified_weights()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        general = module.Encoder(weights.folder, window=weights.window, dtype="float32", threads=1)
        vectors = general.encode(TEXTS[:6])
    np.testing.assert_allclose(vectors, encoder.encode(TEXTS[:6]), atol=1e-5)


def test_bfloat16_stays_near_and_of_unit_length():
    """In the faster format directions move little, and lengths not at all, since they are computed in float32."""
    from domicile.adapters.embeddings.encoder import Encoder

    weights = verified_weights()
    exact, fast = (
        Encoder(weights.folder, window=64, dtype=dtype, threads=1).encode(TEXTS[:2]) for dtype in ("float32", "bfloat16")
    )
    np.testing.assert_allclose(np.linalg.norm(fast, axis=1), 1.0, atol=1e-6)
    assert np.all((exact * fast).sum(axis=1) > 0.995)


def test_only_plain_bert_is_computed_here():
    """A model that differs in anything that matters is left to its own library."""
    config = read_config(verified_weights().folder)
    assert bert_shape(config)
    for difference in (
        {"model_type": "roberta"},
        {"hidden_act": "relu"},
        {"position_embedding_type": "relative_key"},
        {"is_decoder": True},
    ):
        assert bert_shape(config | difference) is None
