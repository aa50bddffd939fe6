"""Frozen values and invariants; knows neither clock, environment, randomness, SQL nor HTTP."""
