"""Durable background work over DBOS."""
