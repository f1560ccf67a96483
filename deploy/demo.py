"""`python -m deploy.demo`: the whole line on this machine: gateway, authority, card and relying party.

It makes what is missing in var/demo, starts everything, prints one address and the card's PIN, and stops it all at
Ctrl-C. Everything is for demonstration: TEST certificates, software keys, a card in software.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from deploy.demo_line import DemoLine, demo_line
from deploy.demo_sign import DEMO
from deploy.demo_stack import DemoStackError
from deploy.demo_token import DemoTokenError
from deploy.processes import ProcessError, Service

_LOOK_SECONDS: Final = 0.5

_READY: Final = """
  The demo is ready. Open this address in a browser on this machine:

      {url}

  PIN of the demo card: {pin}     (three wrong ones block it; see below)

  Gateway and API     {gateway}   (description: {gateway}/openapi.json)
  Account and secrets {account}   (docs/integration.md uses them with curl)
  Logs                {logs}
  Blocked card        .venv/bin/python -m deploy.demo_card unblock --state {counter}
  Stop                Ctrl-C
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the demo until Ctrl-C; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    parser.add_argument("--directory", type=Path, default=DEMO, help="where the demo keeps its things (var/demo)")
    directory: Path = parser.parse_args(arguments).directory
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        with running(directory) as (line, services):
            print(
                _READY.format(
                    url=line.counter_url,
                    pin=line.stack.pin,
                    gateway=line.gateway_url,
                    account=_short(line.account_file),
                    logs=_short(line.logs),
                    counter=_short(line.pin_counter),
                ),
                flush=True,
            )
            while not stop.wait(_LOOK_SECONDS):
                for service in services:
                    service.check()
        print("Stopped.", flush=True)
    except (DemoStackError, DemoTokenError, ProcessError, OSError) as error:
        print(f"The demo cannot run: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def running(directory: Path, *, limits: str = "") -> Iterator[tuple[DemoLine, list[Service]]]:
    """Run the whole line to the end of the block; `limits` are lines for a new gateway's configuration.

    Raises:
        DemoStackError, DemoTokenError, ProcessError: something could not be made or started.
    """
    with ExitStack() as stack:
        if not directory.exists():
            print("Making the demo's PKI, card and account (the first time only)", flush=True)
        line = stack.enter_context(demo_line(directory, limits=limits))
        services = line.services()
        for service in services:
            stack.enter_context(service)
        yield line, services


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
