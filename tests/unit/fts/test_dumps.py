"""A process that dies leaves no copy of its memory: FTS-SEC-3."""

import os
import signal
import subprocess
import sys
from pathlib import Path

DYING = """
import ctypes, os, resource, signal, sys
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
from fts.dumps import forbid_dumps
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
if sys.argv[1] == "forbidden":
    forbid_dumps()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)
os.kill(os.getpid(), signal.SIGABRT)
"""


def died(tmp_path: Path, how: str) -> tuple[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", DYING, how],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout, done.returncode


def test_a_process_that_forbids_it_is_not_dumped(tmp_path: Path) -> None:
    """PR_GET_DUMPABLE (3) is 1 at first, and 0 afterwards."""
    assert died(tmp_path, "usual") == ("1\n1\n", -signal.SIGABRT)
    for core in tmp_path.iterdir():
        core.unlink()
    assert died(tmp_path, "forbidden") == ("1\n0\n", -signal.SIGABRT)
    assert list(tmp_path.iterdir()) == []
