"""`python -m deploy.demo_card`: the demo card's agent, on the loopback, with a PIN window of its own.

It stands where the eID middleware, its browser extension and the card in its reader stand in reality: a SoftHSM token
with a PIN counter of our own, which three wrong PINs block. Never in PROD.
"""

import argparse
import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from threading import Event
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from deploy.demo_pki.pki import DemoPki
from deploy.demo_pki.server import LOOPBACK, DemoServer
from deploy.demo_token import DemoTokenError, load_demo_token
from signing.eid.card_core import CardCore
from signing.eid.demo_card import DemoCard, PinCounter
from signing.eid.loopback import LoopbackApp
from signing.eid.pin_window import PinWindow
from signing.eid.pkcs11 import Pkcs11Card
from signing.eid.ports import Card, CardError
from signing.eid.software_card import SoftwareCard, SoftwareEntry

_ORIGIN: Final = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status: 0 done, 1 failed, 2 wrong use."""
    options = _parser().parse_args(arguments)
    if options.command == "serve" and options.environment == "PROD":
        print("The demo card is refused in PROD: citizens sign with their own cards there.", file=sys.stderr)
        return 2
    try:
        if options.command == "serve":
            _serve(options)
        else:
            PinCounter(options.state).reset()
            print("The demo card has three tries again.")
    except (CardError, DemoTokenError, OSError, ValueError) as error:
        print(f"card agent: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.demo_card", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve the card until SIGINT or SIGTERM")
    serve.add_argument("--token", type=Path, help="directory of the demo token (deploy.demo_token)")
    serve.add_argument("--state", type=Path, required=True, help="file of the PIN counter")
    serve.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    serve.add_argument(
        "--origin", action="append", required=True, type=_origin, help="origin of a page that may ask; repeatable"
    )
    serve.add_argument("--environment", choices=("PROD", "INT", "QA", "TA"), required=True)
    serve.add_argument("--signer", default="p384", help="label of the certificate that the card shows (p384)")
    serve.add_argument("--software", type=Path, metavar="PKI", help="no token: take the keys of this demo PKI")
    serve.add_argument("--pin-file", type=Path, help="file with the PIN, for --software")
    unblock = commands.add_parser("unblock", help="give a blocked card its tries back")
    unblock.add_argument("--state", type=Path, required=True, help="file of the PIN counter")
    return parser


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an origin as browsers send it: https://host[:port], or http:// for this machine only"
        )
    return text


def _serve(options: argparse.Namespace) -> None:
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    counter = PinCounter(options.state)
    window = PinWindow(attempts=lambda: counter.left)
    card = DemoCard(_card(options), counter)
    own = f"http://{LOOPBACK}:{options.port}"
    core = CardCore(card, window, labels=[options.signer])
    answer = asyncio.run(core.handle({"operation": "USERCERTS", "keyusage": "NONREPUDIATION"}, origin=own))
    if answer["result"] != "OK":
        reason = answer.get("report", "no such certificate")
        raise ValueError(f"the card offers no signature certificate {options.signer!r} ({reason})")
    app = LoopbackApp(core, window, own=own, origins=options.origin)
    try:
        with DemoServer(app, options.port):
            print(f"card agent ready on {own}", flush=True)
            stop.wait()
            app.stop()
    finally:
        asyncio.run(card.close())


def _card(options: argparse.Namespace) -> Card:
    if options.software is None:
        if options.token is None:
            raise ValueError("--token is missing (or --software, with --pin-file)")
        token = load_demo_token(options.token)
        os.environ.update(token.environment)
        return Pkcs11Card(token.module)
    if options.pin_file is None:
        raise ValueError("--software needs --pin-file")
    signers = DemoPki.load(options.software).signers
    entries = [
        SoftwareEntry(
            name,
            signer.key,
            signer.certificate.public_bytes(Encoding.DER),
            tuple(issuer.public_bytes(Encoding.DER) for issuer in signer.chain),
        )
        for name, signer in signers.items()
    ]
    return SoftwareCard("TEST eID in software", options.pin_file.read_text().strip(), entries)


if __name__ == "__main__":
    sys.exit(main())
