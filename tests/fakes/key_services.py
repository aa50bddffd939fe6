"""What key providers outside of this program speak to, started by the tests: SoftHSM2, moto's KMS, and the transit server."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from domicile.adapters.keys.aws_kms import KmsAccount

MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
    Path("/opt/homebrew/lib/softhsm/libsofthsm2.so"),
)
PIN = "pin-of-the-test"
SIGNING_REGION = "eu-central-1"


def softhsm_module() -> Path:
    """SoftHSM2's module; skips the test where it is not installed."""
    for each in MODULES:
        if each.is_file() and shutil.which("softhsm2-util"):
            return each
    pytest.skip("No SoftHSM2: install it (Debian: apt-get install softhsm2).")


class SoftToken:
    """A token in a folder of its own. SoftHSM2 reads its configuration from the environment when the module starts."""

    label = "domicile"

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.module = softhsm_module()
        self.pin = PIN
        self._tokens = folder / "tokens"
        self._tokens.mkdir()
        configuration = folder / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {self._tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
        command = ["softhsm2-util", "--init-token", "--free", "--label", self.label, "--pin", PIN, "--so-pin", "so-" + PIN]
        subprocess.run(command, check=True, capture_output=True)
        self.forget_module()

    def forget_module(self) -> None:
        """So that the next one who uses it starts it with this configuration."""
        import pkcs11

        pkcs11.lib(str(self.module)).finalize()

    def generate(self, label: str, **attributes: Any) -> None:
        """A key made with the token's own tools, as an operator does."""
        import pkcs11

        template = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
        template |= {pkcs11.Attribute[name.upper()]: value for name, value in attributes.items()}
        token = pkcs11.lib(str(self.module)).get_token(token_label=self.label)
        with token.open(rw=True, user_pin=PIN) as session:
            session.generate_key(pkcs11.KeyType.AES, 256, id=os.urandom(16), label=label, store=True, template=template)
        self.forget_module()

    def remove(self) -> None:
        """As if it were unplugged."""
        self._tokens.rename(self._tokens.with_name("unplugged"))

    def put_back(self) -> None:
        self._tokens.with_name("unplugged").rename(self._tokens)


class MotoKms:
    """moto's server. Its keys outlive a stop, because they belong to the process."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        self._port = self._server.get_host_and_port()[1]

    @property
    def account(self) -> KmsAccount:
        return KmsAccount(
            endpoint=f"http://127.0.0.1:{self._port}",
            signing_region=SIGNING_REGION,
            access_key_id="AKIDOFTHETEST",
            secret_access_key="secret-access-key-of-the-test",
        )

    def create_key(self, **attributes: Any) -> str:
        """The ARN of a new key, made as its owner does."""
        from domicile.adapters.keys.aws_kms import _client

        client = _client(self.account)
        wanted = {"KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": "SYMMETRIC_DEFAULT", **attributes}
        try:
            return str(client.create_key(**wanted)["KeyMetadata"]["Arn"])
        finally:
            client.close()

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
        self._server.start()
