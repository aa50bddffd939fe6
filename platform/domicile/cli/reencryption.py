"""``domicile key reencrypt``: new data keys for chosen documents, by the running service or, without one, the cell itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from domicile.cli.declared import decides
from domicile.cli.output import AsJson, print_json
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError

#: Documents that one request takes.
_AT_ONCE = 32


@decides(Action.KEY_ROTATE, Action.COLLECTION_LIST)
def reencrypt(
    documents: Annotated[list[str] | None, typer.Argument(help="Ids of documents.")] = None,
    collection: Annotated[str, typer.Option("--collection", "-c", help="All documents of that collection instead.")] = "",
    since: Annotated[datetime | None, typer.Option(help="To go on: pass over keys from after this time (UTC).")] = None,
    url: Annotated[str | None, typer.Option(help="The service; DOMICILE_URL if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Encrypt documents anew, each under a new data key, and destroy the old ones. They can be read meanwhile."""
    from domicile.cli.connection import call, connect
    from domicile.cli.key_rotation import progress_bar

    if bool(documents) == bool(collection):
        raise CallerError("Say which documents.", hint="Name documents by their ids, or give --collection.")
    begun = (since.replace(tzinfo=UTC) if since else datetime.now(UTC)).isoformat()
    done = {"documents": 0, "skipped": 0}
    with connect(url) as http, progress_bar() as bar:
        task = bar.add_task("documents", total=None)
        for body in _requests(documents or [], collection and call(http, "GET", f"/v1/collections/{collection}")["id"]):
            while True:
                answered: dict[str, Any] = call(http, "POST", "/v1/keys/reencryption", json={**body, "since": begun})
                done = {name: count + answered[name] for name, count in done.items()}
                bar.update(task, completed=sum(done.values()))
                if answered["next"] is None:
                    break
                body["after"] = answered["next"]
    if as_json:
        print_json({**done, "since": begun})
    else:
        typer.echo(f"{done['documents']} documents are encrypted anew, {done['skipped']} were already.")


def _requests(documents: list[str], collection_id: str) -> list[dict[str, Any]]:
    if collection_id:
        return [{"collection": collection_id}]
    return [{"documents": documents[start : start + _AT_ONCE]} for start in range(0, len(documents), _AT_ONCE)]
