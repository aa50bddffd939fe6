"""A server that speaks the protocol of Vault's transit engine, as far as keys are wrapped with it. It really encrypts.

Paths, fields, statuses and messages are those of Vault's documentation of its API (transit, AES-256-GCM keys). No Vault runs in
these tests: what a real one does otherwise, they do not see.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "hvs.token-of-the-test"


class Refusal(Exception):
    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(status)
        self.status = status
        self.errors = list(errors)


class TransitKeys:
    """What outlives a restart of the server: each key's versions, the oldest first, and its attributes."""

    def __init__(self) -> None:
        self.keys: dict[str, list[bytes]] = {}
        self.attributes: dict[str, Any] = {
            "type": "aes256-gcm96",
            "derived": False,
            "exportable": False,
            "allow_plaintext_backup": False,
            "min_decryption_version": 1,
        }
        self.token = TOKEN
        self.sealed = False
        self.ignores_associated_data = False
        self.status_of_mismatch = 400
        self.garbage: bytes | None = None
        self.seconds = 0.0
        self.asked: list[str] = []

    def create(self, name: str) -> None:
        self.keys[name] = [os.urandom(32)]

    def answer(self, method: str, path: str, token: str, body: dict[str, Any]) -> dict[str, Any] | None:
        self.asked.append(f"{method} {path}")
        if self.sealed:
            raise Refusal(503, "Vault is sealed")
        if token != self.token:
            raise Refusal(403, "permission denied")
        match (method, path.removeprefix("/v1/").split("/")):
            case ("GET", ["transit", "keys", name]):
                return self._read(name)
            case ("POST" | "PUT", ["transit", "keys", name, "rotate"]):
                self._versions(name, 404).append(os.urandom(32))
                return None
            case ("POST" | "PUT", ["transit", "encrypt", name]):
                if name not in self.keys:
                    self.create(name)  # as transit does for whoever may
                return self._encrypt(name, body)
            case ("POST" | "PUT", ["transit", "decrypt", name]):
                return self._decrypt(name, body)
        raise Refusal(404)

    def _versions(self, name: str, status: int, *errors: str) -> list[bytes]:
        if name not in self.keys:
            raise Refusal(status, *errors)
        return self.keys[name]

    def _read(self, name: str) -> dict[str, Any]:
        versions = self._versions(name, 404)
        numbers = {str(number): 1764000000 for number in range(1, len(versions) + 1)}
        return {**self.attributes, "name": name, "keys": numbers, "latest_version": len(versions)}

    def _encrypt(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        versions, nonce = self.keys[name], os.urandom(12)
        sealed = nonce + AESGCM(versions[-1]).encrypt(nonce, _decoded(body["plaintext"]), self._associated(body))
        return {"ciphertext": f"vault:v{len(versions)}:{base64.b64encode(sealed).decode()}", "key_version": len(versions)}

    def _decrypt(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        versions = self._versions(name, 400, "encryption key not found")
        prefix, version, text = body["ciphertext"].split(":")
        number, sealed = int(version[1:]), _decoded(text)
        if prefix != "vault" or not 0 < number <= len(versions):
            raise Refusal(400, "invalid ciphertext: version is too new")
        if number < self.attributes["min_decryption_version"]:
            raise Refusal(400, "ciphertext or signature version is disallowed by policy (too old)")
        try:
            plaintext = AESGCM(versions[number - 1]).decrypt(sealed[:12], sealed[12:], self._associated(body))
        except (InvalidTag, ValueError):
            raise Refusal(self.status_of_mismatch, "cipher: message authentication failed") from None
        return {"plaintext": base64.b64encode(plaintext).decode()}

    def _associated(self, body: dict[str, Any]) -> bytes:
        return b"" if self.ignores_associated_data else _decoded(body.get("associated_data", ""))


class TransitServer:
    """Started and stopped as often as wanted, on the same port and with the same keys. ``tls`` is a server's context."""

    def __init__(self, keys: TransitKeys, tls: ssl.SSLContext | None = None) -> None:
        self.keys = keys
        self._tls = tls
        self._port = 0
        self.start()

    @property
    def address(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), self.keys)
        self._port = self._server.server_address[1]
        if self._tls:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], keys: TransitKeys) -> None:
        super().__init__(address, _Requests)
        self.keys = keys
        self.stopping = threading.Event()

    def shutdown(self) -> None:
        self.stopping.set()
        super().shutdown()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is what some tests are about."""


class _Requests(BaseHTTPRequestHandler):
    server: _Server

    def handle_one(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        keys = self.server.keys
        self.server.stopping.wait(keys.seconds)
        try:
            answer = keys.answer(self.command, self.path, self.headers.get("X-Vault-Token", ""), body)
        except Refusal as refusal:
            self.reply(refusal.status, json.dumps({"errors": refusal.errors}).encode())
        else:
            self.reply(204 if answer is None else 200, keys.garbage or json.dumps({"data": answer}).encode())

    do_GET = do_PUT = do_POST = handle_one  # noqa: N815

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Refusal(400, "failed to base64-decode") from None
