"""Adapters implement ports and translate errors; they import neither one another nor a use case, and decide nothing."""
