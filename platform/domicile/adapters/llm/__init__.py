"""Language models over OpenAI-compatible HTTP."""
