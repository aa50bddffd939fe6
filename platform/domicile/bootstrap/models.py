"""The models: what embeds, and what answers."""

from __future__ import annotations

from domicile.adapters.egress.outbound import Outbound
from domicile.adapters.embeddings.local import LocalEmbedder
from domicile.adapters.embeddings.precision import chosen_dtype
from domicile.adapters.embeddings.weights import Weights, verified_weights
from domicile.bootstrap.tls import tls_context, tls_towards
from domicile.config import Settings, read_secret
from domicile.domain.errors import ConfigurationError
from domicile.domain.values import Region
from domicile.generation.extractive import ExtractiveGenerator
from domicile.generation.model_answer import ModelAnswer
from domicile.ports.embedder import Embedder, SparseEncoder
from domicile.ports.generator import Generator


def verified(settings: Settings) -> tuple[Weights, LocalEmbedder]:
    """The embedder, not loaded yet; raises ``WeightsUntrusted`` for weights that are not the declared ones."""
    weights = verified_weights(settings.embedding_path, settings.embedding_sha256)
    return weights, LocalEmbedder(weights, chosen_dtype(settings.embedding_dtype))


def sparse_encoder(settings: Settings) -> SparseEncoder:
    from domicile.adapters.embeddings.bm25 import Bm25Encoder

    return Bm25Encoder(settings.languages)


def generator(settings: Settings, embedder: Embedder, region: Region, outbound: Outbound) -> Generator:
    """The configured model, or the extractive generator where there is none."""
    if not settings.llm_url:
        return ExtractiveGenerator(embedder=embedder, region=region)
    if not settings.llm_model:
        raise ConfigurationError("DOMICILE_LLM_MODEL is not set.", hint="Name the model that DOMICILE_LLM_URL serves.")
    from domicile.adapters.llm.openai_compatible import OpenAICompatibleModel, Patience

    patience = Patience(
        connect=settings.llm_connect_seconds,
        first_token=settings.llm_first_token_seconds,
        stall=settings.llm_stall_seconds,
    )
    url = outbound.way_to("model")
    tls = tls_towards(settings, url)
    model = OpenAICompatibleModel(
        base_url=url,
        tls=tls_context(tls) if tls else None,
        model=settings.llm_model,
        region=Region(settings.llm_region),
        api_key=read_secret(settings.llm_api_key_file) or None,
        max_tokens=settings.llm_max_tokens,
        patience=patience,
    )
    return ModelAnswer(model=model)
