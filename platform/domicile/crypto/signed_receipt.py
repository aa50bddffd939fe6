"""What is the same of all receipts: how their bytes are made, and how strictly they are read and verified.

The bytes are JSON as RFC 8785 canonicalises it: one object, every field present, names sorted, no blanks, no floats. Each kind
of receipt has a prefix of its own, so that no signature that the key makes for one can pass for another's.

Obligations, labelled where they are met:

1. What a reader could see otherwise than the signature means it is refused, repeated and unknown names included.
2. The receipt is of the cell whose key is given, where that is said.
3. It names that key, and that key signed exactly this statement.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from domicile.crypto.signatures import SigningKey, VerifyKey
from domicile.domain.errors import ReceiptInvalid

Form = TypeVar("Form")
_encoder = msgspec.json.Encoder(order="sorted")


class Signed(Protocol):
    """What every statement says of who signed it."""

    @property
    def cell(self) -> str: ...

    @property
    def cell_region(self) -> str: ...

    @property
    def key_id(self) -> str: ...


def canonical(value: object) -> bytes:
    """The value's canonical bytes."""
    return _encoder.encode(value)


def sign(key: SigningKey, message: bytes) -> str:
    """The key's signature: 64 bytes in base64."""
    return base64.b64encode(key.sign(message)).decode()


def read(body: bytes, form: type[Form], find: Callable[[Any], Any], *, most: int, whole: str) -> Form:
    """What has that form in a file of at most so many bytes; ``find`` gives it out of whatever was saved.

    Raises ``ReceiptInvalid``; ``whole`` is the advice for what does not come as it was given.
    """
    if len(body) > most:
        raise ReceiptInvalid("The file is too large to be a receipt.", hint=whole)
    try:
        seen = json.loads(body, object_pairs_hook=partial(_without_repetition, whole))
    except (ValueError, RecursionError):
        raise ReceiptInvalid("The file is not JSON: it is no receipt, or was cut off.", hint=whole) from None
    seen = find(seen)
    try:
        found = msgspec.convert(seen, form)
    except msgspec.ValidationError as error:
        raise ReceiptInvalid(f"The file does not have a receipt's form: {error}.", hint=whole) from None
    if json.loads(canonical(found)) != seen:  # (1)
        raise ReceiptInvalid("A value is not written in its canonical form.", hint=whole)
    return found


def check(
    statement: Signed, message: bytes, signature: str, key: VerifyKey, *, cell: str = "", region: str = "", whole: str
) -> None:
    """Raises ``ReceiptInvalid``, saying what is wrong, unless the key made the signature over just this message.

    ``cell`` and ``region`` are whose key it is; empty verifies whatever it signed.
    """
    if cell and (statement.cell, statement.cell_region) != (cell, region):  # (2)
        raise ReceiptInvalid(
            f"The receipt is of cell '{statement.cell}' in {statement.cell_region}; "
            f"the key belongs to cell '{cell}' in {region}.",
            hint="Fetch the key of the cell that gave the receipt.",
        )
    if statement.key_id != key.id:  # (3)
        raise ReceiptInvalid(
            f"The receipt was signed with key {statement.key_id[:16]}…, not with the key that was given, {key.id[:16]}….",
            hint="Give the key that the cell had then: a key that was replaced goes on verifying its receipts.",
        )
    try:
        raw = base64.b64decode(signature, validate=True)
    except ValueError:
        raise ReceiptInvalid("The signature is not base64.", hint=whole) from None
    if not key.verifies(raw, message):  # (3)
        raise ReceiptInvalid("The signature does not fit: the receipt was altered after it was signed.", hint=whole)


def _without_repetition(whole: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):  # (1)
        raise ReceiptInvalid("A field occurs twice.", hint=whole)
    return found
