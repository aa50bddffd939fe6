"""``domicile export`` and ``domicile import``."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from domicile.cli.declared import decides, decides_nothing
from domicile.cli.documents import Url
from domicile.cli.given import person, public_key
from domicile.cli.output import AsJson, print_json, print_table
from domicile.domain.actions import Action
from domicile.domain.errors import BundleInvalid, CallerError

if TYPE_CHECKING:
    import httpx2

    from domicile.crypto.signatures import VerifyKey
    from domicile.lifecycle.manifest import Manifest

app = typer.Typer(help="What there is of a person or a tenant, as a signed bundle.", no_args_is_help=True)

To = Annotated[Path, typer.Option("--to", "-o", help="The file to write; one that is there is never overwritten.")]
_EXPORTED = (
    Action.EXPORT_CREATE,
    Action.DOCUMENT_READ,
    Action.CONVERSATION_EXPORT,
    Action.MEMBER_CREATE,
    Action.POLICY_READ,
    Action.HOLD_READ,
    Action.RETENTION_READ,
)
_KEY_HELP = "What /v1/receipts/key gave there, in a file; or the public key in base64."


@app.callback()
def _group() -> None:
    """What there is of a person or a tenant, as a signed bundle."""


@app.command("tenant")
@decides(*_EXPORTED)
def export_tenant(to: To, url: Url = None, as_json: AsJson = False) -> None:
    """Export everything of the API key's tenant that its holder may read; for administrators."""
    _export({"kind": "tenant"}, to, url, as_json=as_json)


@app.command("subject")
@decides(*_EXPORTED)
def export_subject(
    to: To,
    identifier: Annotated[str | None, typer.Argument(help="The data subject's, as tagged; - to read it.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Login of the person whose account it is.")] = None,
    me: Annotated[bool, typer.Option("--me", help="What is the API key's holder's own.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Export what there is about a person: documents, conversations, the account, and who accessed them when."""
    if [me, bool(user), bool(identifier)].count(True) != 1:
        raise CallerError("It is not clear who is meant.", hint="Give an identifier, --user LOGIN, or --me.")
    who = {"user": user} if user else {"identifier": person(identifier or "")}
    _export({"kind": "own"} if me else {"kind": "subject", **who}, to, url, as_json=as_json)


@app.command("verify")
@decides_nothing("It reads a file and the key that it is given, and no cell.")
def verify(
    file: Annotated[Path, typer.Argument(help="The bundle.")],
    key: Annotated[str | None, typer.Option("--key", "-k", help=_KEY_HELP)] = None,
    unverified: Annotated[bool, typer.Option("--unverified", help="Check the hashes, and not whose bundle it is.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check that a cell signed this bundle and that it is whole; names what is missing, added or altered. Status 1 if not."""
    from domicile.lifecycle.bundle_reading import Bundle

    trusted = _key(key, unverified=unverified)
    with _opened(file) as content:
        bundle = Bundle.open(content)
        if trusted is not None:
            bundle.verify(trusted)
        found = bundle.differences()
        if as_json:
            differences = {"missing": found.missing, "added": found.added, "altered": found.altered}
            print_json({"manifest": bundle.manifest, "signed": trusted is not None, **differences})
        elif not found:
            _describe(bundle.manifest, signed=trusted is not None)
        if found:
            raise BundleInvalid(f"The bundle is not what its manifest says: {found.sentence()}.")


@decides(Action.IMPORT_CREATE, Action.DOCUMENT_CREATE, Action.DOCUMENT_DELETE, Action.COLLECTION_CREATE, Action.JOB_READ)
def import_bundle(
    file: Annotated[Path, typer.Argument(help="A tenant's bundle.")],
    source_key: Annotated[str | None, typer.Option("--source-key", help=_KEY_HELP)] = None,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Take it though nobody's signature vouches for it, without conversations.")
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Import what another cell has exported of the API key's tenant. The same bundle again adds nothing twice."""
    from domicile.cli.connection import call, connect

    trusted = _key(source_key, unverified=unverified)
    form = {"source_key": trusted.text} if trusted else {"unverified": "true"}
    with connect(url) as http, _opened(file) as content:
        sent = {"file": (file.name, content, "application/zip")}
        taken = call(http, "POST", "/v1/imports", data=form, files=sent, timeout=None)
        counts = _followed(http, taken["jobs"], quiet=as_json)
    if as_json:
        print_json({**taken, **counts})
    else:
        _tell(taken, counts)
    if counts["failed"]:
        raise typer.Exit(1)


def _export(wanted: dict[str, Any], to: Path, url: str | None, *, as_json: bool) -> None:
    import msgspec

    from domicile.answers.receipts import PublishedKey
    from domicile.cli.connection import call, connect
    from domicile.lifecycle.bundle_reading import Bundle

    with connect(url) as http, _whole(to) as file:
        key = msgspec.convert(call(http, "GET", "/v1/receipts/key"), PublishedKey)
        _receive(http, wanted, file)
        bundle = Bundle.open(file)  # What was broken off is refused here, and leaves no file.
        bundle.verify(key.verify_key)
        bundle.check()
    if as_json:
        print_json(bundle.manifest)
    else:
        _describe(bundle.manifest, signed=True)


def _receive(http: httpx2.Client, wanted: dict[str, Any], file: IO[bytes]) -> None:
    import httpx2

    from domicile.cli.connection import refusal, unreachable

    try:
        with http.stream("POST", "/v1/exports", json=wanted, timeout=None) as response:
            if response.is_error:
                raise refusal(response.read())
            for piece in response.iter_bytes():
                file.write(piece)
    except httpx2.TransportError as error:
        raise unreachable(http, error) from None


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when the block has ended well, and is nowhere otherwise. Only its owner can read it."""
    if path.exists():
        raise CallerError(f"{path} is there already.", hint="Name another file.")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CallerError(f"{path} cannot be written: {error.strerror}.", hint="Name a file in a folder of yours.") from None
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _name(partial, path)
    finally:
        partial.unlink()


def _name(partial: Path, path: Path) -> None:
    """Unlike a renaming, this replaces nothing that has come in between."""
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        raise CallerError(f"{path} is there already.", hint="Name another file.") from None
    except OSError as error:
        raise CallerError(f"{path} cannot be written: {error.strerror}.", hint="Name a file on another disk.") from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise CallerError(f"{path} cannot be read: {error.strerror}.", hint="Name the bundle's file.") from None
    with file:
        yield file


def _key(given: str | None, *, unverified: bool) -> VerifyKey | None:
    if given is None:
        if not unverified:
            raise CallerError(
                "There is no key to verify the bundle with.",
                hint="Give the public key of the cell that made it, or say --unverified.",
            )
        return None
    if unverified:
        raise CallerError("A key is given, and that none is to be used.", hint="Leave one of the two out.")
    return public_key(given).verify_key


def _describe(manifest: Manifest, *, signed: bool) -> None:
    from collections import Counter

    kinds = Counter(each.what for each in manifest.entries)
    whose = f"cell '{manifest.cell}' in {manifest.region}"
    typer.echo(f"A whole bundle of {whose}, made at {manifest.made_at}" + ("." if signed else "; not verified whose it is."))
    rows: list[tuple[str, object]] = [("tenant", manifest.tenant), ("kind", manifest.kind.value)]
    rows += [("documents", kinds["original"]), ("conversations", kinds["conversation"])]
    rows += [(f"withheld ({each.reason.value})", f"{each.what} {each.id}") for each in manifest.withheld]
    print_table(["what", "said"], rows)


def _followed(http: httpx2.Client, jobs: list[str], *, quiet: bool) -> dict[str, Any]:
    """Follow the jobs one after another until they are done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from domicile.cli.connection import ServiceRefused, events

    counts: dict[str, Any] = {"added": 0, "unchanged": 0, "failed": []}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("Importing", total=len(jobs))
        for number, job_id in enumerate(jobs):
            job: dict[str, Any] = {}
            for _, job in events(http, "GET", f"/v1/jobs/{job_id}/events"):
                progress.update(task, completed=number + job["progress"])
            if job.get("state") != "done":
                raise ServiceRefused("The service stopped before it was done.", hint="Start it, and import again.")
            counts["added"] += job["added"]
            counts["unchanged"] += job["unchanged"]
            counts["failed"] += [item for item in job["items"] if item["state"] == "failed"]
    return counts


def _tell(taken: dict[str, Any], counts: dict[str, Any]) -> None:
    typer.echo(
        f"From {taken['source']}: {counts['added']} added, {counts['unchanged']} unchanged, {len(counts['failed'])} failed"
    )
    for item in counts["failed"]:
        typer.echo(f"  {item['source']}: {item['detail']} [{item['failure']}]")
    typer.echo(f"Conversations: {taken['conversations_added']} added, {taken['conversations_known']} known")
    if ownerless := taken["conversations_without_owner"]:
        typer.echo(f"{len(ownerless)} conversations belong to nobody here and were not taken.")
    if withheld := taken["withheld_at_source"]:
        typer.echo(f"{withheld} things were left out of the bundle when it was made.")
