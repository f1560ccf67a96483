"""`python -m demo_rp --port N`: the demo relying party on the loopback."""

import argparse
import os
import signal
import socket
import sys
from types import FrameType
from typing import Never

import uvicorn

from demo_rp import limits
from demo_rp.app import create_app
from demo_rp.settings import Settings, SettingsError

_VARIABLES = """environment:
  FTS_GATEWAY          origin of the gateway, such as https://sign.example.eu
  FTS_CLIENT_ID        id of the account at the gateway
  FTS_CLIENT_SECRET    its secret
  FTS_WEBHOOK_SECRET   secret that signs the gateway's messages (whsec_...)
  DEMO_RP_URL          own public origin (default: http://127.0.0.1:PORT); DEMO_RP_URL/return and
                       DEMO_RP_URL/webhook are what is registered at the gateway
  DEMO_RP_DIR          folder of its state
  DEMO_RP_SAMPLES      folder of sample PDFs (optional)
"""


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        sys.stdout.write(f"demo relying party ready on http://127.0.0.1:{port}\n")
        sys.stdout.flush()


def _stop(_signal: int, _frame: FrameType | None) -> Never:
    raise SystemExit(0)


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m demo_rp",
        description="A demo relying party: has documents signed through the gateway's HTTP API.",
        epilog=_VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8090, help="port on 127.0.0.1 (default: 8090)")
    port = parser.parse_args().port
    try:
        settings = Settings.from_environment(os.environ, port)
    except SettingsError as error:
        sys.stderr.write(f"{error}; see python -m demo_rp --help\n")
        return 2
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    config = uvicorn.Config(
        create_app(settings),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=limits.STOP_SECONDS,
    )
    _Server(config).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
