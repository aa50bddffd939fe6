"""Text to vectors: sentence-transformers, and BM25 term weights."""
