"""An authority over a key in a token, in a process of its own: one order as JSON a line, one answer as JSON a line."""

import asyncio
import json
import logging
import sys
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography import x509

from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.authority import Authority
from timestamping.authority.policies import Policies
from timestamping.authority.token_key import Pkcs11TsuKey
from timestamping.authority.unit import TimestampingUnit, UnitUnfitError
from timestamping.clock import utc_now

POLICY = "2.25.4711"


class Signer:
    """Carries out the orders."""

    def open(self, order: dict[str, Any]) -> dict[str, Any]:
        digest = DigestAlgorithm(order["digest"])
        self._key = Pkcs11TsuKey(order["module"], order["token"], order["key"], order["pin"], digest)
        certificate = x509.load_pem_x509_certificate(Path(order["certificate"]).read_bytes())
        try:
            unit = TimestampingUnit(self._key, certificate, digest=digest)
        except UnitUnfitError as error:
            return {"code": error.code, "text": str(error)}
        self._authority = Authority(unit, utc_now, policies=Policies(POLICY))
        return {"code": None}

    def stamp(self, order: dict[str, Any]) -> dict[str, Any]:
        return {"reply": asyncio.run(self._authority.reply(bytes.fromhex(order["query"]))).hex()}

    def lose(self, _order: dict[str, Any]) -> dict[str, Any]:
        """Close the session behind the key's back."""
        self._key._session.close()
        return {}

    def sign_with(self, order: dict[str, Any]) -> dict[str, Any]:
        """Put another PIN into the place of the first, and sign."""
        self._key._pin = order["pin"]
        try:
            self._key.sign(b"data")
        except OSError as error:
            return {"text": str(error)}
        return {"text": None}

    def thread(self, _order: dict[str, Any]) -> dict[str, Any]:
        """Sign in another thread."""
        said: list[str] = []

        def sign() -> None:
            try:
                self._key.sign(b"data")
            except OSError as error:
                said.append(str(error))

        thread = Thread(target=sign)
        thread.start()
        thread.join()
        return {"said": said}


def main() -> None:
    """Obey until the input ends."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    signer = Signer()
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(getattr(signer, order.pop("do"))(order)), flush=True)


if __name__ == "__main__":
    main()
