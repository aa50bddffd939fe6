"""The object store over HTTP, against a small server of the S3 protocol in this process."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from domicile.adapters.blobs.object_store import ObjectBlobStore, S3Location, s3_blob_store
from domicile.domain.errors import BlobStoreUnavailable, ConfigurationError, DomicileError, NotFound, StorageFull

SECRET = "secret-access-key-of-the-test"


class Bucket(ThreadingHTTPServer):
    """Path-style requests for one bucket. ``failure`` is a status and an error code that every request is answered with."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.objects: dict[str, bytes] = {}
        self.signatures: list[str] = []
        self.failure: tuple[int, str] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Requests(BaseHTTPRequestHandler):
    server: Bucket
    protocol_version = "HTTP/1.1"

    def handle_one(self) -> None:
        parts = urlsplit(self.path)
        key, query = unquote(parts.path).removeprefix("/bucket").lstrip("/"), parse_qs(parts.query, keep_blank_values=True)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.signatures.append(self.headers.get("Authorization", ""))
        if self.server.failure:
            status, code = self.server.failure
            self.answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())
        elif "delete" in query:
            self.delete_many(body.decode())
        elif "list-type" in query:
            self.list_keys(query.get("prefix", [""])[0])
        elif self.command == "PUT":
            self.server.objects[key] = body
            self.answer(200, b"")
        elif self.command == "DELETE":
            self.server.objects.pop(key, None)
            self.answer(204, b"")
        elif key in self.server.objects:
            self.answer(200, self.server.objects[key])
        else:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    do_GET = do_PUT = do_POST = do_DELETE = handle_one  # noqa: N815

    def delete_many(self, body: str) -> None:
        keys = re.findall("<Key>(.*?)</Key>", body)
        for key in keys:
            self.server.objects.pop(key, None)
        deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        self.answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def list_keys(self, prefix: str) -> None:
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2025-03-14T09:26:53.000Z</LastModified><ETag>1</ETag>"
            f"<Size>{len(content)}</Size></Contents>"
            for key, content in sorted(self.server.objects.items())
            if key.startswith(prefix)
        )
        self.answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Fri, 14 Mar 2025 09:26:53 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with Bucket() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def location(bucket: Bucket) -> S3Location:
    return S3Location("s3://bucket/cell/eu-de", bucket.endpoint, "eu-central-1", "access-key-id", SECRET)


@pytest.fixture
def store(bucket: Bucket) -> ObjectBlobStore:
    return s3_blob_store(location(bucket))


async def test_blobs_live_below_the_prefix(store: ObjectBlobStore, bucket: Bucket) -> None:
    """Put, get, list and delete work over the protocol, and the bucket holds the key below the URL's prefix."""
    await store.put("t/d/v/original", b"envelope")
    await store.put("t/d/v/text", b"another")
    assert bucket.objects["cell/eu-de/t/d/v/original"] == b"envelope"
    assert await store.get("t/d/v/original") == b"envelope"
    assert [key async for key in store.list("t/d")] == ["t/d/v/original", "t/d/v/text"]
    await store.delete(["t/d/v/original", "t/d/v/absent", "t/d/v/text"])
    assert [key async for key in store.list("")] == []
    with pytest.raises(NotFound):
        await store.get("t/d/v/original")


async def test_requests_are_signed_for_the_declared_region(store: ObjectBlobStore, bucket: Bucket) -> None:
    """Every request carries the declared key and region in its signature, and the secret never."""
    await store.put("t/d/v/original", b"x")
    await store.get("t/d/v/original")
    assert len(bucket.signatures) == 2
    for signature in bucket.signatures:
        assert re.match(r"AWS4-HMAC-SHA256 Credential=access-key-id/\d{8}/eu-central-1/s3/aws4_request", signature)
        assert SECRET not in signature


async def test_the_environment_redirects_nothing(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of the cloud or of a proxy that happen to be set change neither the endpoint, the bucket nor the key."""
    for name, value in {
        "AWS_ENDPOINT": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_BUCKET": "elsewhere",
        "AWS_ACCESS_KEY_ID": "someone-else",
        "AWS_SECRET_ACCESS_KEY": "other",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_S3_EXPRESS": "true",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    await s3_blob_store(location(bucket)).put("t/d/v/original", b"x")
    assert list(bucket.objects) == ["cell/eu-de/t/d/v/original"]
    assert "Credential=access-key-id/" in bucket.signatures[0]
    assert "/eu-central-1/s3/" in bucket.signatures[0]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ((403, "AccessDenied"), BlobStoreUnavailable),
        ((400, "XMinioStorageFull"), StorageFull),
        ((403, "QuotaExceeded"), StorageFull),
        ((404, "NoSuchBucket"), DomicileError),
    ],
)
async def test_failures_are_translated(
    store: ObjectBlobStore, bucket: Bucket, failure: tuple[int, str], expected: type[DomicileError]
) -> None:
    """Whatever the server answers becomes one of our errors, without the server's address or text."""
    bucket.failure = failure
    with pytest.raises(expected) as caught:
        await store.put("t/d/v/original", b"x")
    assert str(caught.value) == type(caught.value).title
    assert caught.value.__cause__ is None
    assert not bucket.objects


async def test_a_server_that_is_gone_is_unavailable(
    store: ObjectBlobStore, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused connection is an unavailable blob store, after a few tries."""
    bucket.server_close()
    with pytest.raises(BlobStoreUnavailable):
        await store.get("t/d/v/original")


@pytest.mark.parametrize("missing", ["endpoint", "signing_region", "access_key_id", "secret_access_key"])
def test_nothing_is_left_to_be_looked_up(bucket: Bucket, missing: str) -> None:
    """Without one of its settings the store is refused at the start, not completed from the environment or the cloud."""
    with pytest.raises(ConfigurationError, match=missing):
        s3_blob_store(replace(location(bucket), **{missing: ""}))
    assert SECRET not in repr(location(bucket))


@pytest.mark.parametrize("url", ["", "bucket", "s3://", "https://bucket/x", "file:///tmp/x", "gs://bucket/x"])
def test_only_an_s3_url_is_one(bucket: Bucket, url: str) -> None:
    """Any other address is refused at the start."""
    with pytest.raises(ConfigurationError):
        s3_blob_store(replace(location(bucket), url=url))
