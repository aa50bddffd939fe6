"""``domicile ask`` and ``domicile search``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domicile.cli.declared import decides
from domicile.cli.output import AsJson, print_json
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError

if TYPE_CHECKING:
    import httpx2

Collections = Annotated[list[str] | None, typer.Option("--collection", "-c", help="Only look in this collection; repeatable.")]
Limit = Annotated[int, typer.Option(help="Passages to consider.", min=1, max=50)]
Url = Annotated[str | None, typer.Option(help="The service to ask; without it, the one on this machine, or the cell itself.")]


@decides(Action.ANSWER_CREATE, Action.DOCUMENT_READ, Action.ENDPOINT_USE)
def ask(
    question: Annotated[str, typer.Argument(help="The question, in your own words.")],
    collection: Collections = None,
    limit: Limit = 8,
    url: Url = None,
    receipt: Annotated[Path | None, typer.Option(help="Save the answer's residency receipt in this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a question and get an answer with numbered citations."""
    from domicile.cli.connection import call, connect

    body = {"question": question, "collections": collection, "limit": limit, "remember": False}
    with connect(url) as http:
        if as_json:
            answer = call(http, "POST", "/v1/answers", json=body)
            print_json(answer)
            signed = answer["receipt"]
        else:
            signed = _stream(http, body)
    if receipt:
        _save(receipt, signed)


@decides(Action.SEARCH_CREATE, Action.DOCUMENT_READ)
def search(
    text: Annotated[str, typer.Argument(help="What to look for.")],
    collection: Collections = None,
    limit: Limit = 8,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Find the passages that fit best, without an answer."""
    from domicile.cli.connection import call, connect

    with connect(url) as http:
        result = call(http, "POST", "/v1/search", json={"query": text, "collections": collection, "limit": limit})
    if as_json:
        print_json(result)
        return
    for number, passage in enumerate(result["passages"], 1):
        typer.echo(_source_line(number, passage))
        typer.echo(f"    {_one_line(passage['text'])}\n")
    if not result["passages"]:
        typer.echo("Nothing found in the documents that you may read.")


def _save(path: Path, receipt: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(receipt, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise CallerError(f"The receipt cannot be saved in {path}: {error.strerror}.", hint="Name another file.") from None


def _stream(http: httpx2.Client, body: dict[str, Any]) -> dict[str, Any]:
    """Prints the answer as it comes; gives its receipt."""
    from domicile.cli.connection import ServiceRefused, events

    sources: list[dict[str, Any]] = []
    made_by, receipt = "", dict[str, Any]()
    event = ""
    for event, data in events(http, "POST", "/v1/answers", json=body):
        match event:
            case "sources":
                sources = data["passages"]
                made_by = f"{data['generator']} · {data['region']}"
            case "delta":
                sys.stdout.write(data["text"])
                sys.stdout.flush()
            case "receipt":
                receipt = data["receipt"]
            case "citations":
                cited = {citation["number"] for citation in data["citations"]}
                typer.echo("\n")
                for number, passage in enumerate(sources, 1):
                    if number in cited:
                        typer.echo(_source_line(number, passage))
    if event != "done":
        raise ServiceRefused("The answer was cut off.", hint="What was shown is incomplete; ask again.")
    typer.echo(f"({made_by})")
    return receipt


def _source_line(number: int, passage: dict[str, Any]) -> str:
    place = " > ".join(each for each in passage["headings"] if not each.startswith("| "))
    page = f", page {passage['page']}" if passage.get("page") else ""
    return (
        f"[{number}] {passage['title']} ({passage['source']}){' § ' + place if place else ''}{page}"
        f" · {passage['classification']} · {passage['region']}"
    )


def _one_line(text: str, width: int = 240) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= width else joined[: width - 1] + "…"
