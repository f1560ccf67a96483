"""`python -m deploy.demo_pki`: create the demo PKI and serve it."""

import argparse
import signal
import sys
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

from deploy.demo_pki.asgi import ASGIApp
from deploy.demo_pki.pki import DemoPki, choose_base_url
from deploy.demo_pki.server import DemoPkiApp, DemoServer
from timestamping.authority.app import TimestampingApp
from timestamping.authority.authority import Authority
from timestamping.authority.factory import SoftwareTsuKey
from timestamping.authority.policies import Policies
from timestamping.authority.unit import TimestampingUnit

TIMESTAMP_POLICY = "2.25.146340631554970332542608013961860758399"
"""Policy of the demo's timestamps: an identifier made from a UUID (ITU-T X.667), under which nothing is promised."""


def timestamping_application(pki: DemoPki) -> ASGIApp:
    """Return the timestamping authority to serve at /tsa, with the PKI's own unit."""
    tsu = pki.tsu
    issuers = tuple(issuer for issuer in tsu.chain if issuer.issuer != issuer.subject)
    unit = TimestampingUnit(SoftwareTsuKey(tsu.key), tsu.certificate, issuers, clock=pki.clock)
    return TimestampingApp(Authority(unit, pki.clock, policies=Policies(TIMESTAMP_POLICY)))


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status: 0 done, 1 failed with a sentence on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.demo_pki",
        description="A TEST public-key infrastructure for the demo; its keys are software keys.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="generate keys and certificates")
    create.add_argument("directory", type=Path, metavar="DIR", help="new or empty directory")
    create.add_argument(
        "--base-url", help="where it will be served, baked into the certificates (default: a free loopback port)"
    )
    serve = commands.add_parser(
        "serve", help="serve OCSP, CRLs, CA certificates and timestamps until SIGINT or SIGTERM"
    )
    serve.add_argument("directory", type=Path, metavar="DIR", help="directory that `create` made")
    options = parser.parse_args(arguments)
    try:
        if options.command == "create":
            _create(options.directory, options.base_url or choose_base_url())
        else:
            _serve(options.directory)
    except (OSError, RuntimeError, ValueError) as error:
        print(f"demo PKI: {error}", file=sys.stderr)
        return 1
    return 0


def _create(directory: Path, base_url: str) -> None:
    pki = DemoPki.create(directory, base_url=base_url)
    print(f"demo PKI created in {directory} for {pki.base_url}")


def _serve(directory: Path) -> None:
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    pki = DemoPki.load(directory)
    app = DemoPkiApp(pki, timestamping=timestamping_application(pki))
    with DemoServer(app, port=urlsplit(pki.base_url).port or 80) as server:
        print(f"demo PKI serving on {server.url}", flush=True)
        stop.wait()


if __name__ == "__main__":
    sys.exit(main())
