"""The README's walk with curl, followed literally by a stranger (FTS-ENV-2, FTS-ENV-3)."""

import json
import re
import subprocess
import time
from pathlib import Path

from tests.e2e.browser.conftest import Demo
from tests.oracles.oracle import Oracle
from tests.support.gateway import Browser

README = Path(__file__).resolve().parents[3] / "README.md"
PAUSE = '; echo "$SIGNING" > opened.new && mv opened.new opened; until [ -e signed ]; do sleep 0.05; done\n'


def test_the_walk_with_curl(demo: Demo, oracle: Oracle, tmp_path: Path) -> None:
    """Every command as it stands; between two of them the signer signs."""
    [block] = re.findall(r"```bash\n(source .*?)```", README.read_text(), re.DOTALL)
    opening = re.search(r'^echo "\$SIGNING".*$', block, re.MULTILINE)
    assert opening is not None
    reading = 'curl -sf -u "$AUTH" "$FTS_GATEWAY/v1/signings/$NUMBER"'
    assert reading in block
    script = block.replace(opening[0], 'echo "$SIGNING"' + PAUSE)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "demo").symlink_to(demo.line.directory)
    with subprocess.Popen(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, stdout=subprocess.PIPE) as walk:
        deadline = time.monotonic() + 30
        while not (tmp_path / "opened").exists():
            assert walk.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        signing = json.loads((tmp_path / "opened").read_text())
        browser = Browser(demo.line.gateway_url, signing["signing_url"])
        assert browser.sign(demo.line.stack.pki.signers["p384"])["state"] == "completed"
        browser.http.close()
        (tmp_path / "signed").touch()
        printed, _ = walk.communicate(timeout=30)
    assert walk.returncode == 0
    assert b'"state":"completed"' in printed
    root = tmp_path / "root.pem"
    root.write_bytes(demo.line.stack.root_pem)
    assert oracle.validate(tmp_path / "contract-signed.pdf", [root]).verdict("LTA", timestamps=2) == []
    assert demo.account.api.get(f"/v1/signings/{signing['id']}").status_code == 404, "the walk ends with the deletion"
