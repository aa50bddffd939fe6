"""Root keys in AWS KMS, or in what speaks its protocol.

Each of our versions is a KMS key of its own. KMS has versions of its key material, too, but tells nobody with which one it has
wrapped something, unwraps with all of them for ever, and so offers nothing to rotate, to skip or to retire by.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConfigValueStore, ConstantProvider
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError

from domicile.adapters.keys.binding import associated, bound, unbound
from domicile.adapters.keys.calls import CONNECT_SECONDS, TOTAL_SECONDS, BlockingCalls, translated, unavailable
from domicile.adapters.keys.wrapped import By, WrappedBy
from domicile.domain.errors import ConfigurationError, DecryptionFailed, DomicileError, ResidencyViolation
from domicile.domain.values import Region

#: Under this name the context is in KMS's encryption context, in base64. It shows in the account's CloudTrail: ids, no content.
_CONTEXT = "domicile"
_THREADS = 8
#: By its id or its ARN, never by an alias, which somebody could point to another key.
_KEY = re.compile(r"(?:arn:[a-z-]+:kms:(?P<region>[a-z0-9-]+):\d+:key/)?(?P<id>[A-Za-z0-9-]{1,256})")
_MISMATCHES = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_WANTED = {"KeyState": "Enabled", "KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": "SYMMETRIC_DEFAULT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsAccount:
    """Everything needed to reach it: nothing is left to be looked up in the environment, a profile or the metadata service.

    ``endpoint`` is the server's address, such as ``https://kms.eu-central-1.amazonaws.com``; ``signing_region`` is its own
    name of its region; ``ca_file`` holds the certificates to trust in place of the usual ones.
    """

    endpoint: str
    signing_region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    ca_file: str = ""


class AwsKmsProvider:
    """Implements the ``KeyProvider`` port. ``key`` is the newest, ``older`` those that may still unwrap."""

    def __init__(self, name: str, region: Region, account: KmsAccount, key: str, older: Sequence[str] = ()) -> None:
        self.region = region
        self.name = name
        self._newest = _key_id(name, account, key)
        self._keys = {_key_id(name, account, each): each for each in (*older, key)}
        self._calls = BlockingCalls(threads=_THREADS)
        self._client = _client(account)

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        about = associated(self.region, context)
        body = await self._calls.run(self.name, lambda: self._encrypt(self._newest, bound(key, about), about))
        return WrappedBy(By.AWS_KMS, self._newest.encode(), body).encode()

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        parsed = WrappedBy.parse(By.AWS_KMS, wrapped)
        key_id = self._known(parsed)
        if not context:
            raise DecryptionFailed()
        about = associated(self.region, context)
        return unbound(await self._calls.run(self.name, lambda: self._decrypt(key_id, parsed.body, about)), about)

    async def is_current(self, wrapped: bytes) -> bool:
        return WrappedBy.parse(By.AWS_KMS, wrapped).version == self._newest.encode()

    async def rotate(self) -> None:
        """Making keys in that account is its owner's right, who would not give it to a service that only uses them."""
        raise ConfigurationError(
            f"The key provider '{self.name}' is AWS KMS, where only the account's owner makes keys; nothing was changed.",
            hint="Make another key there, name it as key_id and the present one under older_key_ids, and start again: "
            "what older keys have wrapped can then be wrapped again.",
        )

    async def ping(self) -> None:
        found = await self._calls.run(self.name, self._described)
        wrong = [name for name, wanted in _WANTED.items() if found.get(name) != wanted]
        if wrong:
            raise unavailable(self.name, f"has a key that cannot be used: check its {' and '.join(wrong)}")
        if found.get("MultiRegion"):
            raise ResidencyViolation(
                f"The key of '{self.name}' is one that KMS can copy to other regions.", hint="Use a single-Region key."
            )

    async def close(self) -> None:
        self._calls.close()
        self._client.close()

    def _known(self, parsed: WrappedBy) -> str:
        for key_id in self._keys:
            if key_id.encode() == parsed.version:
                return key_id
        raise DecryptionFailed()

    # --- In threads --------------------------------------------------------------------------------------------------------
    def _encrypt(self, key_id: str, plaintext: bytes, about: bytes) -> bytes:
        request = {"KeyId": self._keys[key_id], "Plaintext": plaintext, "EncryptionContext": _context(about)}
        return bytes(self._ask("encrypt", "CiphertextBlob", request))

    def _decrypt(self, key_id: str, body: bytes, about: bytes) -> bytes:
        request = {"KeyId": self._keys[key_id], "CiphertextBlob": body, "EncryptionContext": _context(about)}
        return bytes(self._ask("decrypt", "Plaintext", request, lambda code: self._refusal(code, key_id, about)))

    def _described(self) -> dict[str, Any]:
        return dict(self._ask("describe_key", "KeyMetadata", {"KeyId": self._keys[self._newest]}))

    def _refusal(self, code: str, key_id: str, about: bytes) -> DomicileError:
        """Access is also denied where the bytes seem to name another key: a mismatch, if it is not denied otherwise."""
        if code in _MISMATCHES:
            return DecryptionFailed()
        if code == "AccessDeniedException":
            request = {"KeyId": self._keys[key_id], "EncryptionContext": _context(about)}
            self._ask("decrypt", "Plaintext", {**request, "CiphertextBlob": self._encrypt(key_id, b"probe", about)})
            return DecryptionFailed()
        return self._failed(code)

    def _ask(
        self,
        operation: str,
        wanted: str,
        request: Mapping[str, object],
        refusal: Callable[[str], DomicileError] | None = None,
    ) -> Any:
        """One field of the answer."""

        def translate(error: Exception) -> DomicileError:
            if not isinstance(error, ClientError):
                return unavailable(self.name, "cannot be reached, or does not answer as KMS does")
            code = str(error.response.get("Error", {}).get("Code", ""))
            return refusal(code) if refusal else self._failed(code)

        errors = (BotoCoreError, ClientError, ResponseParserError, KeyError, TypeError, ValueError)
        return translated(lambda: getattr(self._client, operation)(**request)[wanted], errors, translate)

    def _failed(self, code: str) -> DomicileError:
        return unavailable(self.name, f"refused with {re.sub('[^A-Za-z.]', '', code)[:64] or 'an error'}")


def _key_id(name: str, account: KmsAccount, key: str) -> str:
    """The id, however the key was named; raises ``ConfigurationError``."""
    found = _KEY.fullmatch(key)
    if not found:
        raise ConfigurationError(
            f"The key provider '{name}' names a key that is neither a key's id nor its ARN.",
            hint="An alias does not do: it could be pointed to another key.",
        )
    if found["region"] not in (None, account.signing_region):
        raise ResidencyViolation(
            f"The key provider '{name}' signs for {account.signing_region}, and its key is in {found['region']}.",
            hint="Name a key of that region.",
        )
    return found["id"]


def _context(about: bytes) -> dict[str, str]:
    return {_CONTEXT: base64.b64encode(about).decode()}


def _client(account: KmsAccount) -> Any:
    session = botocore.session.Session()
    # What is not given below is neither in the environment nor in files of whoever runs this: there is nowhere to look.
    defaults = {name: ConstantProvider(each[2]) for name, each in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()}
    defaults |= {name: ConstantProvider(None) for name in ("config_file", "credentials_file")}
    session.register_component("config_store", ConfigValueStore(defaults))
    session.register_component("data_loader", Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False))
    return session.create_client(
        "kms",
        region_name=account.signing_region,
        endpoint_url=account.endpoint,
        aws_access_key_id=account.access_key_id,
        aws_secret_access_key=account.secret_access_key,
        verify=account.ca_file or True,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=TOTAL_SECONDS - CONNECT_SECONDS,
            retries={"total_max_attempts": 2, "mode": "standard"},
            max_pool_connections=_THREADS,
            proxies={},
        ),
    )
