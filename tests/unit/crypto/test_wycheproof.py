"""The primitives as they are used here, against Google's and C2SP's collected attack vectors (Wycheproof)."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domicile.crypto.signatures import VerifyKey

VECTORS = Path(__file__).parents[3] / ".." / "shared" / "data" / "security" / "wycheproof"


def groups(name: str) -> list[dict[str, Any]]:
    path = VECTORS / name
    if not path.exists():
        pytest.skip(f"no Wycheproof vectors: ../shared/data/security/wycheproof/{name} is absent")
    return json.loads(path.read_text(encoding="utf-8"))["testGroups"]


def opened(cipher: AESGCM, case: dict[str, Any]) -> bytes | None:
    sealed = bytes.fromhex(case["ct"]) + bytes.fromhex(case["tag"])
    try:
        return cipher.decrypt(bytes.fromhex(case["iv"]), sealed, bytes.fromhex(case["aad"]))
    except InvalidTag:
        return None


def test_aes_gcm() -> None:
    """AES-256-GCM with 96-bit nonces and 128-bit tags opens every valid vector and no invalid one, and seals the same bytes."""
    cases = 0
    for group in groups("aes_gcm_test.json"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        for case in group["tests"]:
            cases += 1
            cipher = AESGCM(bytes.fromhex(case["key"]))
            plaintext = bytes.fromhex(case["msg"])
            assert opened(cipher, case) == (plaintext if case["result"] == "valid" else None), case["tcId"]
            if case["result"] == "valid":
                sealed = cipher.encrypt(bytes.fromhex(case["iv"]), plaintext, bytes.fromhex(case["aad"]))
                assert sealed.hex() == case["ct"] + case["tag"], case["tcId"]
    assert cases >= 50


def test_hkdf() -> None:
    """HKDF-SHA-256 derives the expected bytes for every valid vector and refuses lengths that it cannot give."""
    cases = 0
    for group in groups("hkdf_sha256_test.json"):
        for case in group["tests"]:
            cases += 1
            salt, info, secret = (bytes.fromhex(case[name]) for name in ("salt", "info", "ikm"))
            if case["result"] == "valid":
                derived = HKDF(algorithm=SHA256(), length=case["size"], salt=salt, info=info).derive(secret)
                assert derived.hex() == case["okm"], case["tcId"]
            else:
                with pytest.raises(ValueError, match="Cannot derive keys larger"):
                    HKDF(algorithm=SHA256(), length=case["size"], salt=salt, info=info).derive(secret)
    assert cases >= 80


def test_hmac() -> None:
    """HMAC-SHA-256 makes the expected tag for every valid vector and another one for every invalid."""
    cases = 0
    for group in groups("hmac_sha256_test.json"):
        for case in group["tests"]:
            cases += 1
            made = hmac.digest(bytes.fromhex(case["key"]), bytes.fromhex(case["msg"]), "sha256").hex()
            assert (made[: group["tagSize"] // 4] == case["tag"]) == (case["result"] == "valid"), case["tcId"]
    assert cases >= 150


def test_ed25519() -> None:
    """Ed25519 verifies every valid vector and no invalid one."""
    cases = 0
    for group in groups("ed25519_test.json"):
        key = VerifyKey(bytes.fromhex(group["publicKey"]["pk"]))
        for case in group["tests"]:
            cases += 1
            verified = key.verifies(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
            assert verified == (case["result"] == "valid"), case["tcId"]
    assert cases >= 100


def test_aes_block() -> None:
    """AES-256 as the blind index and the vector transform use it, by the example of FIPS 197, appendix C.3."""
    encryptor = Cipher(algorithms.AES(bytes(range(32))), modes.ECB()).encryptor()  # noqa: S305
    block = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert encryptor.update(block).hex() == "8ea2b7ca516745bfeafc49904b496089"
