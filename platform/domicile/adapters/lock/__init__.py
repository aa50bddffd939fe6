"""One process per embedded cell, and how others find it."""
