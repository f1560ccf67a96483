"""`fts tsa --demo`: an authority with a test unit of its own making, in one directory."""

import os
import secrets
import subprocess
from pathlib import Path
from typing import Final, Literal

from fts.errors import RefusalError
from fts.tsa.configuration import AuthorityFile, Door, TimeSources, Timestamping, Unit
from fts.tsa.material import Material, demo_unit
from timestamping.clock import utc_now

Store = Literal["file", "softhsm"]

POLICY: Final = "1.3.6.1.4.1.32473.1"
"""Policy of test tokens (RFC 5612: an arc for documentation)."""
_SOFTHSM: Final = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
_TOKEN: Final = "TEST FTS demo"  # noqa: S105 - a label
_LABEL: Final = "tsu"

WARNING: Final = (
    "DEMO: test certificates, an unguarded clock, a door that is open to anybody on this machine. "
    "Tokens have no legal value."
)


def demo(directory: Path, kind: str, workers: int, store: Store) -> tuple[AuthorityFile, Material]:
    """Return a configuration whose files are in `directory`, and where they are.

    Raises:
        RefusalError: DEMO_REFUSED, in PROD, or the directory or SoftHSM cannot be used.
    """
    if os.environ.get("FTS_ENVIRONMENT", "").upper() == "PROD":
        raise refused("the environment is PROD", "Configure an authority: fts tsa --config FILE.")
    try:
        material = demo_unit(directory.resolve(), kind, utc_now)
        if store == "file":
            unit = Unit(certificate=material.certificates, key_file=material.key)
        else:
            unit = _softhsm(directory.resolve(), material)
    except OSError as error:
        raise refused(str(error), "Name a directory that can be written: --directory.") from error
    timestamping = Timestamping(
        unit=unit,
        policy=POLICY,
        records=directory.resolve() / "records",
        clock=TimeSources(unguarded=True),
        door=Door(open=True),
        workers=workers,
    )
    return AuthorityFile(environment="TA", timestamping=timestamping), material


def walk(url: str, root: Path) -> str:
    """Return the lines with which a stranger gets a token and has OpenSSL verify it."""
    return (
        "openssl ts -query -data README.md -sha256 -cert -out query.tsq\n"
        f"curl -sS -H 'Content-Type: application/timestamp-query' --data-binary @query.tsq {url} -o reply.tsr\n"
        f"openssl ts -verify -queryfile query.tsq -in reply.tsr -CAfile {root}\n"
    )


def refused(message: str, remedy: str) -> RefusalError:
    """Return the refusal of a demo."""
    return RefusalError("DEMO_REFUSED", f"the demo authority is not started: {message}", remedy)


def _softhsm(directory: Path, material: Material) -> Unit:
    """Put the key into a SoftHSM token of the directory, and point this process and its children at it."""
    module = next((Path(path) for path in _SOFTHSM if Path(path).exists()), None)
    if module is None:
        raise refused("SoftHSM is not installed", "Install the package softhsm2.")
    tokens, pin_file = directory / "softhsm", directory / "pin"
    configuration = directory / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    mark = directory / "softhsm.certificate"
    if not mark.exists() or mark.read_bytes() != material.certificates.read_bytes():
        tokens.mkdir(exist_ok=True, mode=0o700)
        pin = secrets.token_hex(8)
        pin_file.unlink(missing_ok=True)
        pin_file.touch(mode=0o600)
        pin_file.write_text(pin + "\n")
        _softhsm_util("--delete-token", "--token", _TOKEN, check=False)
        _softhsm_util("--init-token", "--free", "--label", _TOKEN, "--so-pin", secrets.token_hex(8), "--pin", pin)
        arguments = ("--token", _TOKEN, "--label", _LABEL, "--id", "01", "--pin", pin)
        _softhsm_util("--import", str(material.key), *arguments)
        mark.write_bytes(material.certificates.read_bytes())
    return Unit(certificate=material.certificates, module=module, token=_TOKEN, label=_LABEL, pin_file=pin_file)


def _softhsm_util(*arguments: str, check: bool = True) -> None:
    done = subprocess.run(["softhsm2-util", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise refused(f"softhsm2-util: {done.stderr.strip() or done.stdout.strip()}", "Check SoftHSM, then try again.")
