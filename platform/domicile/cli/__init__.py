"""Operator and user commands. May do no more than the service may, and prints no secret twice."""
