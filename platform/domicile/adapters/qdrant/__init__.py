"""The vector index on the Qdrant engine: embedded in this process (``edge``) or on a server (``server``)."""
