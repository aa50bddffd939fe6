"""Logs, traces and metrics, by allow-list."""
