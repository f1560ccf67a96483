"""`python -m deploy.demo_pki` as a process."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from deploy.demo_pki.__main__ import main
from deploy.demo_pki.pki import DemoPki, choose_base_url

COMMAND = (sys.executable, "-m", "deploy.demo_pki")
PROJECT = Path(__file__).parents[3]


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert "create" in text
    assert "serve" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_create_then_serve_until_a_signal(
    tmp_path: Path, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    base_url = choose_base_url()
    assert main(["create", str(tmp_path / "pki"), "--base-url", base_url]) == 0
    assert base_url in capsys.readouterr().out
    with subprocess.Popen(
        [*COMMAND, "serve", str(tmp_path / "pki")],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"demo PKI serving on {base_url}\n"
            assert httpx.get(f"{base_url}/ca/root.crt", trust_env=False).status_code == 200
            process.send_signal(number)
            output, errors = process.communicate(timeout=5)
        finally:
            process.kill()
    assert (process.returncode, output) == (0, "")
    assert errors == "The timestamping unit's key lies in this process's memory: for development and tests only.\n"


def test_create_chooses_a_base_url(tmp_path: Path) -> None:
    assert main(["create", str(tmp_path / "pki")]) == 0
    assert DemoPki.load(tmp_path / "pki").base_url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("command", ["create", "serve"])
def test_failures_are_one_sentence(tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "occupied").touch()
    assert main([command, str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
