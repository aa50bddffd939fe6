"""``domicile ingest`` and ``domicile collection``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domicile.cli.declared import decides
from domicile.cli.output import AsJson, print_json, print_table
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError, NotFound

if TYPE_CHECKING:
    import httpx2
    from rich.progress import Progress, TaskID

#: One request carries at most this many files and bytes: enough to fill the embedding batches, little enough to hold.
_BATCH_FILES = 256
_BATCH_BYTES = 32 * 1024 * 1024

Url = Annotated[str | None, typer.Option(help="The service to use; without it, the one on this machine, or the cell itself.")]

collections = typer.Typer(help="Collections of documents.", no_args_is_help=True)


@dataclass(slots=True)
class Report:
    """What became of the files of one run."""

    added: int = 0
    unchanged: int = 0
    failed: list[dict[str, Any]] = field(default_factory=list)


@decides(
    Action.DOCUMENT_CREATE,
    Action.DOCUMENT_DELETE,
    Action.COLLECTION_LIST,
    Action.COLLECTION_CREATE,
    Action.JOB_READ,
    Action.SESSION_READ,
)
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders to walk.", exists=True)],
    tenant: Annotated[str, typer.Option("--tenant", "-t", help="The tenant that the API key belongs to.")],
    collection: Annotated[str, typer.Option(help="The collection, by its short name or id.")],
    *,
    classification: Annotated[
        str | None, typer.Option(help="public, internal, confidential or restricted; the collection's if not given.")
    ] = None,
    groups: Annotated[
        str | None, typer.Option(help="Groups that may read them, comma-separated; the collection's if not given.")
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="A short name that policies can refer to; repeatable.")] = None,
    owner: Annotated[str | None, typer.Option(help="Login of whoever owns them; of new ones you if not given.")] = None,
    personal_data: Annotated[
        bool | None, typer.Option("--personal-data/--no-personal-data", help="Whether they hold personal data.")
    ] = None,
    valid_from: Annotated[str | None, typer.Option(help="First day on which they may be read (ISO 8601).")] = None,
    valid_until: Annotated[str | None, typer.Option(help="Last day on which they may be read (ISO 8601).")] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(help="Whom they are about, by an identifier of your own such as a personnel number; repeatable."),
    ] = None,
    create: Annotated[bool, typer.Option("--create", help="Make the collection if there is none of that name.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Ingest files and folders; tells what was added, unchanged and failed, with the reason for each failure."""
    from domicile.cli.connection import connect

    walked = list(_walk(paths))
    if not walked:
        raise CallerError("There is no file at the given paths.", hint="Name at least one file, or a folder that holds some.")
    files = [(path, source) for path, source in walked if not _unsendable(path, source)]
    form = {
        "classification": classification,
        "groups": [name.strip() for name in (groups or "").split(",") if name.strip()],
        "labels": label,
        "owner": owner,
        "personal_data": None if personal_data is None else str(personal_data).lower(),
        "valid_from": valid_from,
        "valid_until": valid_until,
        "subject": subject,
    }
    with connect(url) as http:
        _check_tenant(http, tenant)
        if create:
            _ensure_collection(http, collection)
        report = _send_all(http, collection, files, {key: value for key, value in form.items() if value}, quiet=as_json)
    report.failed += [_unsent(path, source) for path, source in walked if _unsendable(path, source)]
    _print(report, as_json=as_json)
    if report.failed:
        raise typer.Exit(1)


@collections.command("create")
@decides(Action.COLLECTION_CREATE)
def create_collection(
    slug: Annotated[str, typer.Argument(help="Short name: lower-case letters, digits and hyphens.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make a collection in the API key's tenant."""
    from domicile.cli.connection import call, connect

    with connect(url) as http:
        made = call(http, "POST", "/v1/collections", json={"slug": slug})
    print_json(made) if as_json else typer.echo(f"Collection {made['slug']} ({made['id']}) in {made['region']}")


@collections.command("list")
@decides(Action.COLLECTION_LIST)
def list_collections(url: Url = None, as_json: AsJson = False) -> None:
    """List the collections that the API key may see."""
    from domicile.cli.connection import call, connect

    with connect(url) as http:
        found = call(http, "GET", "/v1/collections")["items"]
    if as_json:
        print_json(found)
    else:
        print_table(("name", "region", "id"), [(each["slug"], each["region"], each["id"]) for each in found])


def _walk(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Each file with the source path that its citations will name. Hidden files and symbolic links are left out."""
    for given in paths:
        if given.is_file():
            yield given, _source(given, given)
            continue
        for path in sorted(given.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(given).parts)
            if path.is_file() and not path.is_symlink() and not hidden:
                yield path, _source(path, given)


def _unsendable(path: Path, source: str) -> str:
    """Why a file cannot be sent at all; empty if it can."""
    # Python gives a byte of a name that is no UTF-8 as half of a surrogate pair, which no request can carry.
    if source.encode("utf-8", "ignore").decode() != source:
        return "Its name is not UTF-8; rename it."
    return "" if os.access(path, os.R_OK) else "This user may not read it."


def _unsent(path: Path, source: str) -> dict[str, Any]:
    shown = source.encode("utf-8", "backslashreplace").decode()
    return {"source": shown, "state": "failed", "failure": "file-unreadable", "detail": _unsendable(path, source)}


def _source(path: Path, given: Path) -> str:
    """The path as it was given, without leading ``..``; below an absolute path, from its last part on."""
    shown = path.relative_to(given.parent) if given.is_absolute() else path
    parts = [part for part in shown.parts if part != ".."]
    return str(PurePosixPath(*parts))


def _check_tenant(http: httpx2.Client, tenant: str) -> None:
    """Refuse before anything is sent if the key belongs elsewhere."""
    from domicile.cli.connection import call

    if call(http, "GET", "/v1/me")["tenant"]["slug"] != tenant:
        raise NotFound(f"The API key does not belong to a tenant '{tenant}'.", hint="Use a key of that tenant.")


def _ensure_collection(http: httpx2.Client, collection: str) -> None:
    from domicile.cli.connection import call

    known = {each["slug"] for each in call(http, "GET", "/v1/collections")["items"]}
    if collection not in known:
        call(http, "POST", "/v1/collections", json={"slug": collection})


def _send_all(
    http: httpx2.Client, collection: str, files: Sequence[tuple[Path, str]], form: dict[str, Any], *, quiet: bool
) -> Report:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    report = Report()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("Ingesting", total=len(files))
        for batch in _batches(files):
            done = report.added + report.unchanged + len(report.failed)
            job = _post(http, collection, batch, form)
            _follow(http, job, report, progress, task, done)
    return report


def _batches(files: Sequence[tuple[Path, str]]) -> Iterator[list[tuple[Path, str]]]:
    batch: list[tuple[Path, str]] = []
    size = 0
    for path, source in files:
        length = path.stat().st_size
        if batch and (len(batch) == _BATCH_FILES or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((path, source))
        size += length
    if batch:
        yield batch


def _post(http: httpx2.Client, collection: str, batch: Sequence[tuple[Path, str]], form: dict[str, Any]) -> dict[str, Any]:
    from domicile.cli.connection import call

    parts = [("file", (path.name, path.read_bytes(), "application/octet-stream")) for path, _ in batch]
    fields = {**form, "source": [source for _, source in batch]}
    # A bad file is a line of the report, also when it is alone in its batch.
    lenient = {"Prefer": "handling=lenient"}
    where = f"/v1/collections/{collection}/documents"
    job: dict[str, Any] = call(http, "POST", where, data=fields, files=parts, headers=lenient)
    return job


def _follow(
    http: httpx2.Client, accepted: dict[str, Any], report: Report, progress: Progress, task: TaskID, done_before: int
) -> None:
    """Follow the job until it is done, moving the bar with it."""
    from domicile.cli.connection import ServiceRefused, events

    job = accepted
    told = ""
    for _, latest in events(http, "GET", f"/v1/jobs/{accepted['id']}/events"):
        job = latest
        told = _tell_wait(job.get("waiting"), progress, told)
        progress.update(task, completed=done_before + job["progress"] * job["total"])
    if job["state"] != "done":
        raise ServiceRefused("The service stopped before it was done.", hint="Start it, and run the same command again.")
    progress.update(task, completed=done_before + job["total"])
    report.added += job["added"]
    report.unchanged += job["unchanged"]
    report.failed += [item for item in job["items"] if item["state"] == "failed"]


def _tell_wait(waiting: dict[str, str] | None, progress: Progress, told: str) -> str:
    """Say once what the job waits for, on standard error also where there is no bar; gives what was said last."""
    if waiting is None or waiting["reason"] == told:
        return told
    sentence = f"Waiting: {waiting['detail'].rstrip('.')}. {waiting['hint']}"
    progress.console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    return waiting["reason"]


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        print_json({"added": report.added, "unchanged": report.unchanged, "failed": report.failed})
        return
    typer.echo(f"{report.added} added, {report.unchanged} unchanged, {len(report.failed)} failed")
    for item in report.failed:
        typer.echo(f"  {item['source']}: {item['detail']} [{item['failure']}]")
