"""Audit events and their canonical encoding. Stores nothing and deletes nothing."""
