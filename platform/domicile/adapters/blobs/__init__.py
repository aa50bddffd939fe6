"""Envelopes in a folder of this machine, or in an object store of the region."""
