"""Where benchmarks work: a folder on the disk of the checkout, the handbook, and a port."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domicile.config import Settings, load_settings
from domicile.ingestion.intake import Upload

ROOT = Path(__file__).resolve().parents[2]
HANDBOOK = ROOT.parent / "shared" / "data" / "handbook"
NO_HANDBOOK = "the folder ../shared/data/handbook is not here."
_SCRATCH = ROOT / ".benchmarks"


@contextmanager
def scratch() -> Iterator[Path]:
    """Beside the source, because a temporary folder in memory would make a commit look free."""
    _SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_SCRATCH) as folder:
        yield Path(folder)


def settings_in(folder: Path, port: int = 0) -> Settings:
    """A cell below that folder, with the defaults of the product whatever the environment says."""
    return load_settings({}, data_dir=folder / "cell", region="eu-de", port=port, log_level="warning")


def handbook() -> list[Upload]:
    """Its pages; none where the folder is absent."""
    if not HANDBOOK.is_dir():
        return []
    paths = sorted(path for path in HANDBOOK.rglob("*.md") if path.is_file())
    return [Upload(path.relative_to(HANDBOOK).as_posix(), path.read_bytes()) for path in paths]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
