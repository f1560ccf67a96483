"""An authority that records, served by uvicorn in a process of its own; prints its port when it is ready."""

import socket
import sys
from pathlib import Path

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from timestamping.authority.app import TimestampingApp
from timestamping.authority.authority import Authority
from timestamping.authority.factory import SoftwareTsuKey
from timestamping.authority.policies import Policies
from timestamping.authority.records import FileDecisionLog
from timestamping.authority.unit import TimestampingUnit
from timestamping.clock import utc_now


def main(directory: Path) -> None:
    """Serve with `unit.key` and `unit.pem` of the directory; records below it."""
    key = load_pem_private_key((directory / "unit.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = x509.load_pem_x509_certificate((directory / "unit.pem").read_bytes())
    log = FileDecisionLog(directory / "records")
    unit = TimestampingUnit(SoftwareTsuKey(key), certificate)
    app = TimestampingApp(Authority(unit, utc_now, policies=Policies("2.25.4711"), log=log), close=log.close)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http="httptools", loop="uvloop", log_level="warning", access_log=False)
        server = uvicorn.Server(config)
        print(listener.getsockname()[1], flush=True)
        server.run([listener])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
