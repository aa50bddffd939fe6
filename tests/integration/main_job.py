"""The whole main job in real processes: make a cell, ingest, serve, search and answer. Run by ``test_egress.py``.

``python main_job.py FOLDER PORT``. Prints what was found and answered as JSON. In a network namespace of its own it first
brings the loopback interface up, which is all that there is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 300
TENANT = "halvenbruck"
QUESTION = "What is the meal per diem for a full day in the United States?"
_SIOCSIFFLAGS = 0x8914
_UP_AND_RUNNING = 0x41


def loopback_up() -> None:
    """Fails where this is not a namespace of our own, and then it is up already."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket, contextlib.suppress(OSError):
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _UP_AND_RUNNING))


def domicile(*arguments: str, **environment: str) -> str:
    command = [sys.executable, "-m", "domicile.cli", *arguments]
    ran = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    return ran.stdout


def announced(log: Path, service: subprocess.Popen[bytes]) -> str:
    """What the service prints once it answers."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and service.poll() is None:
        text = log.read_text("utf-8")
        if "Stop with Ctrl-C" in text:
            return text
        time.sleep(0.2)
    raise SystemExit(log.read_text("utf-8"))


def main(folder: Path, port: str) -> None:
    loopback_up()
    log = folder / "service.log"
    command = [sys.executable, "-m", "domicile.cli", "demo", "--data-dir", str(folder / "cell"), "--port", port]
    with log.open("wb") as output:
        service = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        text = announced(log, service)
        keys = dict(re.findall(r"^  \S+ +(administrator|member) .* (dom_\S+)$", text, re.MULTILINE)[::-1])
        where = {"DOMICILE_URL": f"http://127.0.0.1:{port}"}
        (folder / "note.md").write_text("# Note\n\nThe ferry to the island leaves at nine.\n", "utf-8")
        note, owner = str(folder / "note.md"), {"DOMICILE_API_KEY": keys["administrator"]}
        ingested = domicile("ingest", note, "--tenant", TENANT, "--collection", "handbook", "--json", **where, **owner)
        found = domicile("search", "ferry to the island", "--json", **where, **owner)
        answered = domicile("ask", QUESTION, "--json", **where, DOMICILE_API_KEY=keys["member"])
    finally:
        service.send_signal(signal.SIGINT)
        service.wait(PATIENCE)
    results = {"ingested": json.loads(ingested), "found": json.loads(found), "answered": json.loads(answered)}
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
