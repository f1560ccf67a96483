"""A fake gateway and the demo relying party before it, each on a port of its own."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook

from demo_rp import limits
from demo_rp.app import create_app
from demo_rp.settings import Settings
from tests.unit.demo_rp.fake_gateway import CLIENT, SECRET, FakeGateway, message
from tests.unit.demo_rp.serving import free_port, serve

WEBHOOK_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PDF = b"%PDF-1.7\n" + b"1 0 obj\n<< >>\nendobj\n" * 40 + b"%%EOF\n"


@dataclass
class Desk:
    """The demo relying party as a test sees it: its address, and the gateway behind it."""

    url: str
    gateway: FakeGateway
    settings: Settings
    shift: timedelta = field(default=timedelta())
    """What its clock is off by."""

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def browser(self, **headers: str) -> httpx.Client:
        """Return a browser of its own, which does not follow redirects."""
        return httpx.Client(base_url=self.url, trust_env=False, headers={"Origin": self.url, **headers})

    def begin(self, browser: httpx.Client, content: bytes = PDF, name: str = "own.pdf") -> httpx.Response:
        """Send the form with a document of one's own."""
        files = {"file": (name, content, "application/pdf")}
        return browser.post("/sign", data={"document": "", "language": "fr"}, files=files)

    def begun(self, browser: httpx.Client, content: bytes = PDF) -> str:
        """Begin a signing; return its id."""
        answer = self.begin(browser, content)
        assert answer.status_code == 303, answer.text
        return next(reversed(self.gateway.signings))

    def tell(
        self, kind: str, signing: str, message_id: str = "msg_1", *, secret: str = WEBHOOK_SECRET
    ) -> httpx.Response:
        """Send a webhook message, signed by the standard's own library."""
        body, sent = message(kind, signing), datetime.now(UTC)
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(sent.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, sent, body),
        }
        return httpx.post(f"{self.url}/webhook", content=body, headers=headers, trust_env=False)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "brief.pdf").write_bytes(PDF)
    (folder / "report.pdf").write_bytes(PDF + b"% another\n")
    (folder / "notes.txt").write_text("no sample")
    (tmp_path / "secret.pdf").write_bytes(b"%PDF-1.7 outside the folder")
    return folder


@pytest.fixture
def fake() -> Iterator[FakeGateway]:
    gateway = FakeGateway()
    with serve(gateway.app(), free_port()) as origin:
        gateway.origin = origin
        yield gateway


@pytest.fixture
def settings(fake: FakeGateway, samples: Path, tmp_path: Path) -> Settings:
    environment = {
        "FTS_GATEWAY": fake.origin,
        "FTS_CLIENT_ID": CLIENT,
        "FTS_CLIENT_SECRET": SECRET,
        "FTS_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "DEMO_RP_DIR": str(tmp_path / "state"),
        "DEMO_RP_SAMPLES": str(samples),
    }
    return Settings.from_environment(environment, free_port())


@pytest.fixture
def desk(fake: FakeGateway, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(limits, "INSPECTION_PAUSE_SECONDS", 0.01)
    fake.return_urls = {settings.return_url}
    desk = Desk(settings.own_url, fake, settings)
    with serve(create_app(settings, desk.now), int(settings.own_url.rpartition(":")[2])):
        yield desk


@pytest.fixture
def browser(desk: Desk) -> Iterator[httpx.Client]:
    with desk.browser() as client:
        yield client


@pytest.fixture
def browsers(desk: Desk) -> Iterator[Callable[..., httpx.Client]]:
    """Make further browsers."""
    made: list[httpx.Client] = []

    def make(**headers: str) -> httpx.Client:
        made.append(desk.browser(**headers))
        return made[-1]

    yield make
    for client in made:
        client.close()
