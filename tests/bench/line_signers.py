"""Signers with think time, in one process: `python -m tests.bench.line_signers`, an order as JSON on standard input.

It says `measuring` when the warm-up is over, and prints what was measured when the time is.
"""

import asyncio
import base64
import hashlib
import json
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.bench.scene import Scene
from tests.support.gateway import RETURN_URL

MEASURING: Final = "measuring"
UPLOAD: Final = "upload and inspection"
CREATE: Final = "create the signing"
SHELL: Final = "page without session"
OPEN: Final = "open the session"
PAGE: Final = "page"
PICTURE: Final = "picture of page 1"
DIGEST: Final = "certificate to digest"
TAKEN: Final = "value taken (202)"
STORED: Final = "value to stored LTA"
DOWNLOAD: Final = "download"
STEPS: Final = (UPLOAD, CREATE, SHELL, OPEN, PAGE, PICTURE, DIGEST, TAKEN, STORED, DOWNLOAD)
"""What is measured, in the order of a signing."""
ENDED: Final = ("completed", "declined", "cancelled", "failed", "expired")
_LARGE_EVERY: Final = 10
"""One document in so many is the large one."""


@dataclass(frozen=True)
class Order:
    """What is asked of the signers' process."""

    url: str
    client_id: str
    secret: str
    scene: str
    """A `Scene` as JSON."""
    small: str
    """Path of the document that most sign."""
    large: str
    signers: int
    think_seconds: float
    """Mean of the exponential pauses between two steps."""
    warm_up_seconds: float
    seconds: float
    seed: int


@dataclass
class Report:
    """What was measured."""

    samples: list[tuple[str, str, float]] = field(default_factory=list)
    """Step, document, seconds; only of steps that began and ended while it was measured."""
    completed: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    last_signed: str = ""
    """A signed document, in base64."""


class StepError(Exception):
    """A step had another outcome than it should; the text says which."""


class Signers:
    """All signers of one run."""

    def __init__(self, order: Order) -> None:
        self._order = order
        scene = Scene.from_json(order.scene)
        key = scene.read_key()
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self._certificates = [_text(c.public_bytes(Encoding.DER)) for c in scene.read_chain()]
        self._documents = {"50 kB": Path(order.small).read_bytes(), "2 MB": Path(order.large).read_bytes()}
        self._measuring = False
        self.report = Report()
        self._errors: Counter[str] = Counter()

    async def run(self) -> Report:
        """Sign until the time is over."""
        jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(base_url=self._order.url, cookies=jar, limits=limits, timeout=60) as http:
            signers = [asyncio.create_task(self._signer(http, number)) for number in range(self._order.signers)]
            await asyncio.sleep(self._order.warm_up_seconds)
            self._measuring = True
            print(MEASURING, flush=True)
            await asyncio.sleep(self._order.seconds)
            self._measuring = False
            for signer in signers:
                signer.cancel()
            await asyncio.gather(*signers, return_exceptions=True)
        self.report.errors = dict(self._errors)
        return self.report

    async def _signer(self, http: httpx.AsyncClient, number: int) -> None:
        chance = random.Random(f"{self._order.seed}:{number}")  # noqa: S311 - repeatable, not secret
        await asyncio.sleep(chance.uniform(0, self._order.think_seconds * 3))
        turn = number
        while True:
            turn += 1
            document = "50 kB" if turn % _LARGE_EVERY else "2 MB"
            try:
                await self._sign(http, document, chance)
            except (StepError, httpx.HTTPError) as error:
                self._errors[str(error) or type(error).__name__] += 1
                await self._think(chance)

    async def _think(self, chance: random.Random) -> None:
        mean = self._order.think_seconds
        await asyncio.sleep(chance.expovariate(1 / mean) if mean else 0)

    async def _sign(self, http: httpx.AsyncClient, document: str, chance: random.Random) -> None:
        """Go through one signing, the client's part and the signer's."""
        auth = (self._order.client_id, self._order.secret)
        with self._timed(UPLOAD, document):
            document_id = await self._upload(http, auth, self._documents[document])
        await self._think(chance)
        with self._timed(CREATE, document):
            body = {"document": document_id, "return_url": RETURN_URL}
            signing = (await _done(http.post("/v1/signings", json=body, auth=auth))).json()
        path, _, secret = signing["signing_url"].removeprefix(self._order.url).partition("#")
        await self._think(chance)
        page = Page(http, path, self._order.url)
        with self._timed(SHELL, document):
            await _done(http.get(path))
        with self._timed(OPEN, document):
            await page.open(secret)
        with self._timed(PAGE, document):
            await page.get("")
        with self._timed(PICTURE, document):
            await page.get("/pages/1.png")
        await self._think(chance)
        with self._timed(DIGEST, document):
            certificate, *chain = self._certificates
            await page.post("/certificate", {"certificate": certificate, "chain": chain})
            prepared = await page.reached("prepared", "opened")
        if prepared["state"] != "prepared":
            raise StepError(f"{prepared['state']}: {(prepared['problem'] or {}).get('code')}")
        await self._think(chance)
        value = self._key.sign(base64.b64decode(prepared["digest"]), ec.ECDSA(Prehashed(SHA256())))
        with self._timed(STORED, document):
            with self._timed(TAKEN, document):
                await page.post("/signature", {"digest": prepared["digest"], "signature": _text(value)})
            end = await page.reached(*ENDED)
        if end["state"] != "completed":
            raise StepError(f"{end['state']}: {(end['problem'] or {}).get('code')}")
        self.report.completed += self._measuring
        with self._timed(DOWNLOAD, document):
            signed = (await _done(http.get(f"/v1/signings/{signing['id']}/content", auth=auth))).content
        self.report.last_signed = _text(signed)

    async def _upload(self, http: httpx.AsyncClient, auth: tuple[str, str], octets: bytes) -> str:
        document_id = secrets.token_hex(8)
        path = f"/v1/documents/{document_id}"
        headers = {
            "content-type": "application/pdf",
            "content-digest": f"sha-256=:{_text(hashlib.sha256(octets).digest())}:",
            "content-disposition": "attachment; filename=contract.pdf",
        }
        put = http.put(path, content=octets, headers=headers, auth=auth)
        state = (await _done(put)).json()["state"]
        while state == "inspecting":
            await asyncio.sleep(0.05)
            state = (await _done(http.get(path, auth=auth))).json()["state"]
        return document_id

    @contextmanager
    def _timed(self, step: str, document: str) -> Iterator[None]:
        measured, began = self._measuring, time.perf_counter()
        yield
        if measured and self._measuring:
            self.report.samples.append((step, document, time.perf_counter() - began))


class Page:
    """The signing page of one signing, with its cookie."""

    def __init__(self, http: httpx.AsyncClient, path: str, origin: str) -> None:
        self._http = http
        self._path = path
        self._headers = {"origin": origin}

    async def open(self, secret: str) -> None:
        """Open the session."""
        answer = await self.post("/session", {"secret": secret})
        self._headers["cookie"] = answer.headers["set-cookie"].partition(";")[0]

    async def get(self, what: str) -> httpx.Response:
        """Fetch a part of it."""
        return await _done(self._http.get(f"{self._path}{what}", headers=self._headers))

    async def post(self, what: str, body: dict[str, Any]) -> httpx.Response:
        """Send something."""
        return await _done(self._http.post(f"{self._path}{what}", json=body, headers=self._headers))

    async def reached(self, *states: str) -> dict[str, Any]:
        """Follow the state until it is one of these."""
        after = 0
        while True:
            found: dict[str, Any] = (await self.get(f"/state?after={after}")).json()
            if found["state"] in states:
                return found
            after = found["version"]


async def _done(request: Any) -> httpx.Response:
    answer: httpx.Response = await request
    if not answer.is_success:
        raise StepError(f"{answer.request.method} {answer.status_code} {answer.text[:200]}")
    return answer


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def main() -> None:
    """Carry out the order."""
    order = Order(**json.loads(sys.stdin.readline()))
    print(json.dumps(asdict(asyncio.run(Signers(order).run()))), flush=True)


if __name__ == "__main__":
    main()
