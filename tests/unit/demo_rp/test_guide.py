"""The commands of `docs/integration.md`, as they stand there, in bash."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.demo_rp.conftest import PDF, WEBHOOK_SECRET, Desk
from tests.unit.demo_rp.fake_gateway import APPENDED, CLIENT, SECRET

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "integration.md"


def commands() -> list[str]:
    """Return the blocks that a reader types."""
    return re.findall(r"^```bash\n(.*?)^```$", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def account(desk: Desk, tmp_path: Path) -> Path:
    """Lay out what `make demo` leaves; return the folder."""
    (tmp_path / "var/demo/samples").mkdir(parents=True)
    (tmp_path / "var/demo/samples/brief.pdf").write_bytes(PDF)
    values = {
        "FTS_GATEWAY": desk.gateway.origin,
        "FTS_CLIENT_ID": CLIENT,
        "FTS_CLIENT_SECRET": SECRET,
        "FTS_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "FTS_RETURN_URL": desk.settings.return_url,
    }
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    (tmp_path / "var/demo/relying-party.env").write_text(lines)
    return tmp_path


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    bash = shutil.which("bash")
    if bash is None or shutil.which("curl") is None or shutil.which("openssl") is None:
        pytest.skip("bash, curl or openssl is missing")
    return subprocess.run(
        [bash, "-c", f"set -e\n{script}"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_walk_with_curl(desk: Desk, account: Path) -> None:
    """FTS-ENV-2: a stranger gets from upload to destruction by copying the commands."""
    desk.gateway.inspections = 1
    desk.gateway.signs_at_look = 2
    blocks = commands()
    assert len(blocks) == 10
    done = run("\n".join(blocks), account)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = done.stdout.splitlines()
    wanted = ("ready", "completed", "the digest is right", "it begins with the original", "the message is genuine")
    for line in (*wanted, "204"):
        assert line in told, line
    assert (account / "signed.pdf").read_bytes() == PDF + APPENDED
    assert desk.gateway.documents == {}
    _, path, headers = next(request for request in desk.gateway.requests if request[0] == "PUT")
    assert path.startswith("/v1/documents/walk-")
    assert headers["content-type"] == "application/pdf"


def test_the_walk_stops_at_a_refusal(account: Path) -> None:
    (account / "var/demo/samples/brief.pdf").write_bytes(b"no PDF")
    done = run("\n".join(commands()), account)
    assert done.returncode != 0
    assert "NOT_A_PDF" in done.stdout


def test_a_changed_message_is_not_genuine(account: Path) -> None:
    block = next(block for block in commands() if "is genuine" in block).replace("2432232314", "2432232315")
    assert "genuine" not in run(block, account).stdout


def test_the_files_that_the_guide_names_exist() -> None:
    text = GUIDE.read_text("utf-8")
    root = GUIDE.parents[1]
    named = set(re.findall(r"`(demo_rp/\w+\.py)`", text))
    assert len(named) == 6
    assert all((root / name).is_file() for name in named)
    source = (root / "demo_rp/gateway.py").read_text("utf-8") + (root / "demo_rp/app.py").read_text("utf-8")
    rows = "".join(line for line in text.splitlines() if line.startswith(("| `demo_rp/gateway", "| `demo_rp/app")))
    for name in set(re.findall(r"`(\w+)`", rows)):
        assert f"def {name}(" in source, name
