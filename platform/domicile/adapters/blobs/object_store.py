"""The blob store in an object store of the region: S3 and whatever speaks its protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from domicile.adapters.blobs.naming import checked_key
from domicile.domain.errors import CERTIFICATE_HINT, BlobStoreUnavailable, ConfigurationError, NotFound, StorageFull

if TYPE_CHECKING:
    from obstore.store import ObjectStore

#: How servers of the S3 protocol say that they are full; the library has no error class for it.
_FULL = ("StorageFull", "QuotaExceeded", "No space left on device", "507 Insufficient Storage")
#: How the library says that a certificate cannot be trusted, or that there is no TLS.
_UNTRUSTED = ("InvalidCertificate", "InvalidContentType")
_TIMEOUT = timedelta(seconds=60)
_CONNECT_TIMEOUT = timedelta(seconds=5)
_RETRIES = 3


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket, and everything needed to reach it: nothing is left to be looked up in the cloud's metadata service.

    ``url`` is ``s3://bucket/prefix``; ``endpoint`` is the server's address, such as ``https://s3.eu-central-1.amazonaws.com``;
    ``signing_region`` is the server's own name of its region, which requests are signed for.
    """

    url: str
    endpoint: str
    signing_region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    #: PEM of further authorities that may sign the server's certificate, beside those that the library knows.
    authorities: bytes = field(default=b"", repr=False)


class ObjectBlobStore:
    """Implements the ``BlobStore`` port over any store of the library. A put replaces the whole object or nothing."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, key: str, envelope: bytes) -> None:
        with _translated():
            await obstore.put_async(self._store, checked_key(key), envelope, use_multipart=False)

    async def get(self, key: str) -> bytes:
        with _translated():
            found = await obstore.get_async(self._store, checked_key(key))
            return bytes(await found.bytes_async())

    async def delete(self, keys: Sequence[str]) -> None:
        checked = [checked_key(key) for key in keys]
        with _translated():
            try:
                await obstore.delete_async(self._store, checked)
            except FileNotFoundError:
                # Some stores stop at the first key that is absent.
                await self._delete_one_by_one(checked)

    async def list(self, prefix: str) -> AsyncIterator[str]:
        with _translated():
            async for batch in obstore.list(self._store, prefix=prefix.strip("/") or None):
                for each in batch:
                    yield each["path"]

    async def close(self) -> None:
        """Nothing is held open between requests."""

    async def _delete_one_by_one(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                continue


def s3_blob_store(location: S3Location) -> ObjectBlobStore:
    """The store in that bucket. Connects to the endpoint given and to nothing else; raises ``ConfigurationError``."""
    parts = urlsplit(location.url)
    if parts.scheme != "s3" or not parts.netloc:
        raise ConfigurationError("The blob store's URL is not one of an S3 bucket.", hint="Write it like 's3://bucket/prefix'.")
    for name in ("endpoint", "signing_region", "access_key_id", "secret_access_key"):
        if not getattr(location, name):
            # What is left out, the library would take from the environment or ask the cloud's metadata service for.
            raise ConfigurationError(f"The blob store's {name} is not set.")
    store = S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        # The library reads AWS_* variables for whatever is not given; this one goes before ``endpoint`` there.
        aws_endpoint_url_s3=location.endpoint,
        region=location.signing_region,
        access_key_id=location.access_key_id,
        secret_access_key=location.secret_access_key,
        virtual_hosted_style_request=False,
        skip_signature=False,
        s3_express=False,
        client_options={
            "timeout": _TIMEOUT,
            "connect_timeout": _CONNECT_TIMEOUT,
            **({"root_certificate": location.authorities} if location.authorities else {}),
            "allow_http": urlsplit(location.endpoint).scheme == "http",
            # A proxy that is never used, so that none is taken from the environment.
            "proxy_url": "http://none.invalid",
            "proxy_excludes": "*,0.0.0.0/0,::/0",
        },
        retry_config={"max_retries": _RETRIES},
    )
    return ObjectBlobStore(store)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotFound() from None
    except (BaseError, OSError) as error:
        # The library's messages hold addresses and bodies of responses: they decide the class and go no further.
        if any(sign in str(error) for sign in _FULL):
            raise StorageFull() from None
        if any(sign in str(error) for sign in _UNTRUSTED):
            raise BlobStoreUnavailable(
                "The blob store is reached, but not by TLS that can be trusted.", hint=CERTIFICATE_HINT
            ) from None
        raise BlobStoreUnavailable() from None
