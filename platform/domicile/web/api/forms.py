"""Multipart forms, described. They are read piece by piece and not by the framework, which therefore cannot describe them."""

from __future__ import annotations

from dataclasses import dataclass, field

from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType


def operation(**fields: Schema) -> type[Operation]:
    """The operation of an endpoint that takes such a form, with a ``file`` in it."""
    schema = Schema(type=OpenAPIType.OBJECT, required=["file"], properties={**fields})
    body = RequestBody(required=True, content={"multipart/form-data": OpenAPIMediaType(schema=schema)})

    @dataclass
    class FormOperation(Operation):
        request_body: RequestBody | None = field(default_factory=lambda: body)

    return FormOperation


def content(description: str = "") -> Schema:
    return Schema(type=OpenAPIType.STRING, content_media_type="application/octet-stream", description=description or None)


def text(description: str) -> Schema:
    return Schema(type=OpenAPIType.STRING, description=description)


def texts(description: str) -> Schema:
    return Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.STRING), description=description)


def yes_or_no(description: str) -> Schema:
    return Schema(type=OpenAPIType.BOOLEAN, description=description)
