"""Root keys in AWS KMS: moto's server, spoken to by the real client."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from tests.fakes.key_services import SIGNING_REGION, MotoKms

from domicile.adapters.keys.aws_kms import AwsKmsProvider, KmsAccount, _client
from domicile.domain.errors import ConfigurationError, DecryptionFailed, KeyProviderUnavailable, ResidencyViolation
from domicile.domain.values import Region

EU = Region("eu-de")
KEY = bytes(range(32))


@pytest.fixture(scope="module")
def server() -> Iterator[MotoKms]:
    started = MotoKms()
    yield started
    started.stop()


@pytest.fixture
async def provider(server: MotoKms) -> AsyncIterator[AwsKmsProvider]:
    opened = AwsKmsProvider("acme", EU, server.account, server.create_key())
    yield opened
    await opened.close()


def refused(account: KmsAccount, code: str) -> AwsKmsProvider:
    """A provider whose client is answered with that code."""
    made = AwsKmsProvider("acme", EU, account, "0f0f0f0f-1111-2222-3333-444455556666")

    def answer(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "User: arn:aws:iam::1:user/secret is not authorized"}}, "Encrypt")

    for operation in ("encrypt", "decrypt", "describe_key"):
        setattr(made._client, operation, answer)
    return made


async def test_another_key_is_the_next_version(server: MotoKms) -> None:
    """What the older one has wrapped still unwraps while it is listed, and no more once it is not."""
    older, newer = server.create_key(), server.create_key()
    before = AwsKmsProvider("acme", EU, server.account, older)
    old = await before.wrap(KEY, b"context")
    during = AwsKmsProvider("acme", EU, server.account, newer.rpartition("/")[2], [older.rpartition("/")[2]])
    assert await during.unwrap(old, b"context") == KEY
    assert not await during.is_current(old)
    new = await during.wrap(KEY, b"context")
    after = AwsKmsProvider("acme", EU, server.account, newer)
    assert await after.unwrap(new, b"context") == KEY
    assert await after.is_current(new)
    with pytest.raises(DecryptionFailed):
        await after.unwrap(old, b"context")
    for each in (before, during, after):
        await each.close()


async def test_the_environment_redirects_nothing(server: MotoKms, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Variables, profiles and proxies that happen to be there change neither where it asks nor in whose name."""
    for name in (
        "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_KMS", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "AWS_DATA_PATH", "AWS_DEFAULTS_MODE", "AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS",
        "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY",
        "REQUESTS_CA_BUNDLE",
    ):  # fmt: skip
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    client = _client(server.account)
    assert (client.meta.endpoint_url, client.meta.region_name) == (server.account.endpoint, SIGNING_REGION)
    client.close()
    provider = AwsKmsProvider("acme", EU, server.account, server.create_key())
    assert await provider.unwrap(await provider.wrap(KEY, b"context"), b"context") == KEY
    await provider.close()


async def test_requests_are_signed_with_the_declared_key_and_region() -> None:
    """The secret goes nowhere, and neither does it show."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def listen() -> None:
            for _ in range(2):
                connection, _ = listening.accept()
                with connection:
                    heard.append(connection.recv(65536))

        listener = threading.Thread(target=listen)
        listener.start()
        account = KmsAccount(
            endpoint=f"http://127.0.0.1:{listening.getsockname()[1]}",
            signing_region=SIGNING_REGION,
            access_key_id="AKIDOFTHETEST",
            secret_access_key="secret-access-key-of-the-test",
        )
        provider = AwsKmsProvider("acme", EU, account, "0f0f0f0f-1111-2222-3333-444455556666")
        with pytest.raises(KeyProviderUnavailable):
            await provider.wrap(KEY, b"context")
        await provider.close()
        listener.join()
    assert b"Credential=AKIDOFTHETEST/" in heard[0]
    assert b"/eu-central-1/kms/aws4_request" in heard[0]
    assert b"secret-access-key" not in b"".join(heard)
    assert "secret-access-key" not in repr(account)


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    """Neither connecting nor answering may take longer than the bound."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        account = KmsAccount(
            endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}",
            signing_region=SIGNING_REGION,
            access_key_id="AKIDOFTHETEST",
            secret_access_key="x",
        )
        provider = AwsKmsProvider("acme", EU, account, "0f0f0f0f-1111-2222-3333-444455556666")
        started = time.monotonic()
        with pytest.raises(KeyProviderUnavailable, match="in time"):
            await provider.ping()
        assert time.monotonic() - started < 5
        await provider.close()


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "DisabledException", "KMSInternalException"])
async def test_refusals_are_told_by_their_code_only(server: MotoKms, code: str) -> None:
    """What KMS says besides names accounts and users."""
    provider = refused(server.account, code)
    for use in (provider.ping, lambda: provider.wrap(KEY, b"context")):
        with pytest.raises(KeyProviderUnavailable, match=f"refused with {code}") as caught:
            await use()
        assert "arn" not in str(caught.value)
        assert caught.value.__context__ is None
    await provider.close()


async def test_access_that_is_denied_is_no_failed_decryption(server: MotoKms, provider: AwsKmsProvider) -> None:
    """Somebody who took a right away has not damaged anything, and nobody may believe so."""
    wrapped = await provider.wrap(KEY, b"context")
    denied = refused(server.account, "AccessDeniedException")
    denied._keys = provider._keys
    with pytest.raises(KeyProviderUnavailable) as caught:
        await denied.unwrap(wrapped, b"context")
    assert caught.value.__context__ is None
    await denied.close()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [({"KeyUsage": "SIGN_VERIFY", "KeySpec": "RSA_2048"}, "KeyUsage"), ({"MultiRegion": True}, "other regions")],
)
async def test_a_key_of_the_wrong_sort_is_refused(server: MotoKms, wanted: dict[str, object], expected: str) -> None:
    """One that does something else, and one that its owner can copy to another region at any time."""
    provider = AwsKmsProvider("acme", EU, server.account, server.create_key(**wanted))
    with pytest.raises((KeyProviderUnavailable, ResidencyViolation), match=expected):
        await provider.ping()
    await provider.close()


async def test_a_key_that_is_not_there_is_not_made(server: MotoKms) -> None:
    """And no other one is used in its place."""
    provider = AwsKmsProvider("acme", EU, server.account, "0f0f0f0f-1111-2222-3333-444455556666")
    for use in (provider.ping, lambda: provider.wrap(KEY, b"context")):
        with pytest.raises(KeyProviderUnavailable, match="NotFoundException"):
            await use()
    await provider.close()


def test_a_key_is_named_by_id_or_arn(server: MotoKms) -> None:
    """An alias could be pointed to another key, and an ARN of another region is not where it was said to be."""
    for name in ("alias/domicile", "arn:aws:kms:eu-central-1:1:alias/domicile", "", "a b"):
        with pytest.raises(ConfigurationError, match="neither a key's id nor its ARN"):
            AwsKmsProvider("acme", EU, server.account, name)
    with pytest.raises(ResidencyViolation, match="us-east-1"):
        AwsKmsProvider("acme", EU, server.account, "arn:aws:kms:us-east-1:123456789012:key/0f0f0f0f-1111")
    with pytest.raises(ResidencyViolation, match="eu-central-1"):
        AwsKmsProvider("acme", EU, replace(server.account, signing_region="eu-west-1"), server.create_key())
