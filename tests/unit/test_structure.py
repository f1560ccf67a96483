"""The shape of the source tree: who may import whom, how long a module is, and what must not be in the tree."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("fts", "signing", "timestamping", "sealing", "storage", "demo_rp", "deploy")
ENGINES = ("signing", "timestamping", "sealing", "storage")
MOST_LINES = 500
WEB = frozenset(
    {
        "aiohttp",
        "celery",
        "django",
        "fastapi",
        "flask",
        "gunicorn",
        "http.server",
        "hypercorn",
        "sanic",
        "socketserver",
        "starlette",
        "tornado",
        "uvicorn",
        "wsgiref",
        "xmlrpc",
    }
)
SERVING = frozenset({"start_server", "start_unix_server", "create_server", "create_unix_server", "listen"})
PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*" + rb"PRIVATE KEY-----\s*[A-Za-z0-9+/=\r\n]{64}")


def modules(*packages: str) -> list[Path]:
    """Return the Python files of packages, as paths from the root."""
    return sorted(path.relative_to(ROOT) for package in packages for path in (ROOT / package).rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text("utf-8"))


def imported(path: Path) -> Iterator[str]:
    """Yield the full names that a module imports, wherever in it the import stands."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def files() -> Iterator[Path]:
    """Yield the files of the tree, those that git ignores left out."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("no git repository")
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            yield path


def test_the_walk_sees_the_tree() -> None:
    assert Path("signing/pades/finish.py") in modules("signing")
    assert "cryptography.x509" in set(imported(Path("signing/trust/path.py")))
    assert ROOT / "pyproject.toml" in set(files())


def test_import_contracts() -> None:
    """In a process of its own: the linter configures logging, and switches off the loggers that are there."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = done.stdout
    assert done.returncode == 0, told
    kept = re.search(r"Contracts: (\d+) kept, 0 broken", told)
    assert kept is not None, told
    assert int(kept[1]) == len(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    )


@pytest.mark.parametrize("package", ENGINES)
def test_engines_serve_nothing(package: str) -> None:
    """An engine is called; who listens is decided at the border."""
    found = []
    for path in modules(package):
        for name in imported(path):
            parts = name.split(".")
            if any(".".join(parts[: n + 1]) in WEB for n in range(len(parts))):
                found.append(f"{path} imports {name}")
        found += [
            f"{path}:{node.lineno} calls {node.func.attr}"
            for node in ast.walk(parsed(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SERVING
        ]
    assert found == []


@pytest.mark.parametrize("package", ["signing", "timestamping"])
def test_engines_do_not_import_the_layers_above(package: str) -> None:
    above = {"fts", "deploy", "demo_rp", "tests"} | ({"signing"} if package == "timestamping" else set())
    found = [(str(p), name) for p in modules(package) for name in imported(p) if name.split(".")[0] in above]
    assert found == []


def test_modules_are_short() -> None:
    long = {str(path): lines for path in modules(*PACKAGES, "tests") if (lines := _lines(path)) > MOST_LINES}
    assert long == {}


def _lines(path: Path) -> int:
    return len((ROOT / path).read_text("utf-8").splitlines())


def test_engine_modules_and_their_public_names_are_documented() -> None:
    bare = []
    for path in modules(*ENGINES):
        tree = parsed(path)
        if any(part.startswith("_") and part != "__init__.py" for part in path.parts) or not tree.body:
            continue
        if not ast.get_docstring(tree):
            bare.append(str(path))
        bare += [
            f"{path}:{node.lineno} {node.name}"
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ]
    assert bare == []


def test_requirements_are_pinned_and_name_no_host() -> None:
    paths = sorted((ROOT / "requirements").glob("*.txt"))
    assert paths
    for path in paths:
        text = path.read_text("utf-8")
        assert not re.search(r"https?://|git\+|--(?:extra-)?index-url|--find-links", text), path.name
        names = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        unpinned = [line for line in names if not re.match(r"[A-Za-z0-9._-]+(?:\[[^\]]+\])?==[^ ]+( |$)", line)]
        assert unpinned == [], path.name
        assert text.count("--hash=sha256:") >= len(names), path.name


def test_no_private_key_in_the_tree() -> None:
    holding = [str(path.relative_to(ROOT)) for path in files() if PRIVATE_KEY.search(path.read_bytes())]
    assert holding == []


def test_private_keys_would_be_found() -> None:
    block = b"-----BEGIN EC " + b"PRIVATE KEY-----\n" + b"MHcCAQEE" * 9 + b"\n"
    assert PRIVATE_KEY.search(block)
    assert PRIVATE_KEY.search(block.replace(b"EC ", b""))


def test_no_home_directory_in_the_tree() -> None:
    place = re.compile(rb"/(?:home|Users)/[a-z][\w.-]+/")
    holding = [str(path.relative_to(ROOT)) for path in files() if place.search(path.read_bytes())]
    assert holding == []


def test_nobody_waits_with_wait_for() -> None:
    """It loses a cancellation that comes together with what is waited for (Python 3.11): `asyncio.timeout` does not."""
    packages = ("fts", "signing", "timestamping", "sealing", "storage", "demo_rp", "deploy")
    users = [
        str(path.relative_to(ROOT))
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        if "asyncio.wait_for(" in path.read_text(encoding="utf-8")
    ]
    assert users == []


def test_web_and_worker_read_no_document() -> None:
    """Documents are read in processes of their own: no library that reads PDF, XML or containers is even loaded."""
    engines = ("signing.pades.admit", "signing.xml.reading", "signing.asic.reading")
    readers = ("pikepdf", "pypdfium2", "pyhanko", "lxml", *engines)
    program = (
        f"import sys, fts.cli, fts.web_process, fts.worker; print([name for name in {readers} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_the_web_process_loads_what_every_request_needs() -> None:
    """A node runs several: what some requests need (other servers, tokens, the page's ASN.1) is loaded by the first."""
    rarely = ("httpx", "minio", "pkcs11", "asn1crypto", "typer", "rich", "sqlalchemy.dialects.postgresql", "alembic")
    program = f"import sys, fts.serve, fts.web_process; print([name for name in {rarely} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_the_command_line_begins_without_the_database() -> None:
    program = "import sys, fts.cli; print([name for name in ('sqlalchemy', 'fastapi', 'tink') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
