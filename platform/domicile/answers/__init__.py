"""A question's whole way: retrieve, choose a model, audit, generate, remember. Composes retrieval and generation."""
