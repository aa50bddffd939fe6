"""Domicile answers questions from an organisation's own documents without anything leaving the region they live in."""

__version__ = "0.1.0"
