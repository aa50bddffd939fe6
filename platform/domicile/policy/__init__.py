"""The decision point over Cedar, and its compilation into retrieval scopes. Opens no file; knows neither Qdrant nor SQL."""
