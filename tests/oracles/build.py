"""Build of the oracle process: Maven once for each state of its pom and sources, below `var/oracle/`."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).parent / "java"
HOME = Path(__file__).parents[2] / "var" / "oracle"
NEEDED_PROGRAMS = ("java", "javac", "mvn")
REMEDY = "the oracle needs a JDK (17 or newer) and Maven: install openjdk-17-jdk-headless and maven"
BUILD_SECONDS = 600


class OracleBuildError(Exception):
    """The oracle cannot be built; the message says what is missing or holds the end of Maven's output."""


def missing_programs() -> list[str]:
    """Names of the programs that the oracle needs and that are not on PATH."""
    return [program for program in NEEDED_PROGRAMS if shutil.which(program) is None]


def classpath() -> str:
    """Class path of the oracle process, built first where its pom or sources have changed.

    Raises OracleBuildError where Maven fails or a program is missing. Safe to call from several processes.
    """
    if missing := missing_programs():
        raise OracleBuildError(f"{', '.join(missing)} not found: {REMEDY}")
    with _locked():
        built = HOME / "build"
        stamp = HOME / "stamp"
        wanted = _stamp()
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            _run_maven(built)
            stamp.write_text(wanted)
    return os.pathsep.join((str(built / "oracle.jar"), str(built / "lib" / "*")))


def _stamp() -> str:
    digest = hashlib.sha256()
    for path in (PROJECT / "pom.xml", *sorted((PROJECT / "src").rglob("*.java"))):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(PROJECT)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _run_maven(built: Path) -> None:
    shutil.rmtree(built, ignore_errors=True)
    command = ["mvn", "--batch-mode", "--quiet", f"-Doracle.build={built}", "package"]
    try:
        done = subprocess.run(
            command,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OracleBuildError(f"Maven did not finish in {BUILD_SECONDS} s") from error
    if done.returncode != 0:
        raise OracleBuildError(f"Maven failed:\n{done.stdout[-3000:]}")


@contextmanager
def _locked() -> Iterator[None]:
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
