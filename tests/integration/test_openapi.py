"""The service keeps to its own OpenAPI document, whatever is sent: tried with generated requests over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.fakes.cell import MemoryCell
from tests.fakes.served import Served, serving_memory_cell

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served[MemoryCell]]:
    folder: Path = tmp_path_factory.mktemp("served")
    with serving_memory_cell(folder) as cell:
        yield cell


def _try_every_operation(
    served: Served[MemoryCell],
    headers: dict[str, str],
    examples: int,
    allowed: set[int],
    mode: GenerationMode = GenerationMode.POSITIVE,
) -> list[str]:
    """Send generated requests to each operation of the document; gives the operations that were tried."""
    document = schemathesis.openapi.from_url(f"{served.url}/v1/openapi.json")
    tried = []
    for result in document.get_all_operations():
        operation = result.ok()
        tried.append(operation.label)

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def answers_as_described(case: schemathesis.Case) -> None:
            response = case.call(headers=headers)
            case.validate_response(response, checks=_CHECKS)
            assert not allowed or response.status_code in allowed, case.as_curl_command()

        answers_as_described()
    return tried


def test_every_answer_is_one_that_the_document_names(served: Served[MemoryCell]) -> None:
    """As the administrator, who may do most: no error of ours, no status, type or body that is not described."""
    tried = _try_every_operation(served, served.cell.people["ada"].bearer, 12, set())
    assert "POST /v1/answers" in tried
    assert len(tried) >= 20


def test_what_the_document_does_not_allow_is_refused_as_it_says(served: Served[MemoryCell]) -> None:
    """Wrong types, missing and unknown members, broken ids: never an error of ours, always a described answer."""
    _try_every_operation(served, served.cell.people["ada"].bearer, 8, set(), GenerationMode.NEGATIVE)


def test_every_refusal_is_a_described_problem(served: Served[MemoryCell]) -> None:
    """Without a credential: 401 with problem details, or one of the public routes."""
    _try_every_operation(served, {}, 2, {200, 401, 503})
