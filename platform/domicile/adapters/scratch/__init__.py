"""Temporary files that nobody can read, not even on this machine."""
