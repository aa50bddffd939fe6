"""What the server adapter does about a server that fails."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from httpx import Headers
from qdrant_client import models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from domicile.adapters.qdrant import server
from domicile.adapters.qdrant.points import INTEGERS, KEYWORDS
from domicile.adapters.qdrant.server import ServerVectorIndex
from domicile.domain.errors import ConfigurationError, StorageFull, VectorIndexUnavailable
from domicile.policy.scope import Everything, Field, RetrievalScope

ALL = RetrievalScope(Everything(), policies=(), bundle_digest="")


PAYLOAD_INDEXES = {Field.TENANT.value, *KEYWORDS, *INTEGERS}


def answered(status: int, content: bytes = b"secret words") -> UnexpectedResponse:
    return UnexpectedResponse(status, "reason", content, Headers())


class FailingServer:
    """Has a collection, and raises one failure after another before it counts."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked = 0

    async def info(self):
        return models.VersionInfo(title="qdrant", version="1.20.1")

    async def collection_exists(self, name):
        return True

    async def get_collection(self, name):
        params = SimpleNamespace(vectors={"dense": models.VectorParams(size=4, distance=models.Distance.DOT)})
        return SimpleNamespace(config=SimpleNamespace(params=params), payload_schema=PAYLOAD_INDEXES)

    async def count(self, *arguments, **options):
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return models.CountResult(count=42)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(server, "PAUSES_SECONDS", (0.0, 0.0))


async def _count(failing: FailingServer) -> int:
    return await ServerVectorIndex(failing, model="m", dimensions=4).count(ALL)


@pytest.mark.parametrize(
    "failure", [answered(503), answered(429), ResponseHandlingException(OSError()), ResourceExhaustedResponse("busy", 1)]
)
async def test_a_failure_that_passes_is_not_noticed(failure):
    """A request is sent again after a failure that may pass, since every one of ours may be repeated."""
    failing = FailingServer(failure, failure)
    assert await _count(failing) == 42
    assert failing.asked == 3


async def test_a_failure_that_stays_is_reported_after_three_times():
    """Patience ends, and the caller may try later."""
    failing = FailingServer(*[answered(503)] * 9)
    with pytest.raises(VectorIndexUnavailable):
        await _count(failing)
    assert failing.asked == 3


@pytest.mark.parametrize(
    ("failure", "ours"),
    [
        (answered(400), VectorIndexUnavailable),
        (answered(401), ConfigurationError),
        (answered(403), ConfigurationError),
        (answered(500, b"Service internal error: No space left on device"), StorageFull),
    ],
)
async def test_a_failure_that_cannot_pass_is_reported_at_once(failure, ours):
    """It is not sent again, and the server's words, which may quote values, are passed on by no way."""
    failing = FailingServer(failure)
    with pytest.raises(ours) as caught:
        await _count(failing)
    assert failing.asked == 1
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"
    assert caught.value.__suppress_context__
