"""`fts timestamp probe`: an authority that accepts connections and gives no token is found out (FTS-TS-2)."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.fake_tsa import Manner, fake_tsa_apart
from tests.support.line import Line

CONFIGURATION = """
environment = "TA"
operator = "Operator"
public_url = "https://sign.example"
data = "data"
master_key = "master.key"
trust_anchors = "root.pem"
[[tsas]]
url = "{first}"
[[tsas]]
url = "{second}"
policy = "2.25.1"
"""


def probe(directory: Path, first: str, second: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = directory / "gateway.toml"
    path.write_text(CONFIGURATION.format(first=first, second=second))
    command = [sys.executable, "-m", "fts.cli", "timestamp", "probe", "--config", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_each_authority_gives_a_real_token_or_is_named(line: Line, tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(line.root_pem.read_bytes())
    good = f"{line.pki.base_url}/tsa"
    with fake_tsa_apart(Manner(lambda _query: b"<html>welcome</html>", 200, "text/html")) as answers_only:
        told = probe(tmp_path, good, answers_only.url)
        assert told.returncode == 1, told.stderr
        first, second = told.stdout.splitlines()
        assert first.startswith(f"granted   {good}  in ")
        assert second.startswith(f"NO TOKEN  {answers_only.url}  no-reply: ")
        found = json.loads(probe(tmp_path, good, answers_only.url, "--json").stdout)["authorities"]
        assert [result["granted"] for result in found] == [True, False]
        assert abs(found[0]["offset_seconds"]) < 5
        assert found[0]["unit_days_left"] > 0
        assert found[0]["qualified_statement"] is False
        assert found[1]["outcome"] == "no-reply"
        assert answers_only.asked == 2, "each run asks once"
    refused = probe(tmp_path, f"{good}?again", good)
    assert refused.returncode == 1
    assert "rejected: " in refused.stdout, "the policy is not this authority's"


def test_no_configuration(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fts.cli", "timestamp", "probe", "--config", str(tmp_path / "none.toml")]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 2
    assert "CONFIGURATION_INVALID" in told.stderr
    assert "Traceback" not in told.stderr
