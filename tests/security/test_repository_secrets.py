"""Nothing that is in the repository looks like a secret, but for what is known to be a vector or an example."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: What secrets look like: private keys, keys of our own services, of AWS and of GitHub, and long random values that are given
#: to something named like a secret.
SHAPES = {
    "private key": re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "root or signing key": re.compile(rb"^domicile-[a-z-]*key \d+ \S+ \S+\s+[A-Za-z0-9+/]{43}=", re.MULTILINE),
    "API key": re.compile(rb"\bdom_[A-Za-z0-9_-]{20,}"),
    "AWS key": re.compile(rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "GitHub token": re.compile(rb"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    "random value": re.compile(
        rb"(?i)\b[a-z_]*(?:password|passwd|secret|token|api_?key|private_?key)[a-z_]*[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9+/=_-]{24,})"
    ),
}
#: Test vectors and examples, by file and the beginning of what is found.
KNOWN = {
    ("tests/security/test_repository_secrets.py", b"-----BEGIN PRIVATE KEY-----"),  # this list
    ("tests/security/test_secrets.py", b"Kanarienvogel-"),  # the canaries
    ("tests/unit/adapters/keys/test_file_provider.py", b"-----BEGIN PRIVATE KEY-----"),  # no key follows: it is a wrong file
    # The keys of the envelopes to compare with: SHA-256 of "one", "two" and "tenant".
    ("tests/vectors/envelope.json", b"7692c3ad3540bb80"),
    ("tests/vectors/envelope.json", b"3fc4ccfe745870e2"),
    ("tests/vectors/envelope.json", b"e9da86d351cf9a76"),
}


def looks_random(value: bytes) -> bool:
    """Letters of both cases and digits mixed: names of variables and words with hyphens are not."""
    kinds = (rb"[a-z]", rb"[A-Z]", rb"\d")
    mixed = all(re.search(kind, value) for kind in kinds) or re.fullmatch(rb"[0-9a-f]{32,}", value)
    return bool(mixed) and len(set(value)) >= 12


def found_in(content: bytes) -> Iterator[tuple[str, bytes]]:
    for kind, shape in SHAPES.items():
        for match in shape.finditer(content):
            value = match[match.lastindex or 0]
            if kind != "random value" or looks_random(value):
                yield kind, value


def test_nothing_in_the_repository_looks_like_a_secret() -> None:
    """Except what is known to be a vector or an example."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("This is no checkout.")
    names = [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    found = {(name, kind, value) for name in names for kind, value in found_in((ROOT / name).read_bytes())}
    unknown = {each for each in found if not any(each[0] == name and each[2].startswith(start) for name, start in KNOWN)}
    assert unknown == set()


def test_each_of_those_shapes_is_seen() -> None:
    """Made up here, so that none of them is in this file."""
    random = base64.b64encode(os.urandom(32))
    examples = {
        "private key": b"-----BEGIN " + b"EC PRIVATE KEY-----",
        "root or signing key": b"domicile-root-key" + b" 1 eu-de 018f\n" + base64.b64encode(bytes(32)),
        "API key": b"dom" + b"_0123456789abcdefghij",
        "AWS key": b"AKIA" + b"IOSFODNN7EXAMPLE",
        "GitHub token": b"ghp" + b"_" + b"a1" * 18,
        "random value": b'MODEL_API_KEY = "' + random + b'"',
    }
    for kind, example in examples.items():
        assert kind in {found for found, _ in found_in(b"text\n" + example + b"\n")}, kind
