"""`python -m deploy.demo_check`: go through the demo once in a headless browser and verify the signed document.

Exit status 0: a document was chosen, signed with the PIN, downloaded, and is valid at level LTA.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Error as BrowserError

from deploy.demo import running
from deploy.demo_browser import BrowserMissingError, Person, chromium
from deploy.demo_sign import DEMO
from deploy.demo_stack import DemoStackError
from deploy.demo_token import DemoTokenError
from deploy.processes import ProcessError
from fts.commands import verify
from fts.settings import Settings
from fts.verify_json import Json
from signing.eid.demo_card import PinCounter

_SAMPLE: Final = "brief.pdf"


def main(arguments: list[str] | None = None) -> int:
    """Run the check; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo_check", description=__doc__)
    parser.add_argument("--directory", type=Path, default=DEMO, help="where the demo keeps its things (var/demo)")
    directory: Path = parser.parse_args(arguments).directory
    try:
        return _check(directory)
    except (BrowserError, BrowserMissingError, DemoStackError, DemoTokenError, ProcessError, AssertionError) as error:
        print(f"The demo does not work: {error}", file=sys.stderr)
        return 1


def _check(directory: Path) -> int:
    with tempfile.TemporaryDirectory() as place:
        signed = Path(place) / "signed.pdf"
        with running(directory) as (line, _), chromium() as browser:
            PinCounter(line.pin_counter).reset()
            person = Person(
                browser.new_page(), line.counter_url, line.stack.pin, lambda _page, name: print(f"  {name}")
            )
            print(f"Signing {_SAMPLE} in a browser", flush=True)
            person.sign(_SAMPLE, signed)
        results: list[Json] = []
        settings = Settings((line.stack.pki.root.certificate,))
        valid = asyncio.run(verify([signed], settings, results.append))
    level = results[0]["signatures"][0]["level"]
    print(f"The document that came back is {'valid' if valid else 'NOT valid'}, level {level}.")
    return 0 if valid and level == "LTA" else 1


if __name__ == "__main__":
    sys.exit(main())
