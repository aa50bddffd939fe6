"""Prompt assembly, citation check and refusal. Retrieves nothing; logs neither prompt nor answer."""
