"""The demo card's agent as the page and the PIN window see it: FTS-SIG-2, FTS-SIG-3; cases W-5 and W-10.

The real process over a real SoftHSM token; signatures are judged by `cryptography` and by openssl.
"""

import base64
import hashlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.demo_stack import DemoStack, demo_stack, free_port
from deploy.processes import Service

PAGE = "http://localhost:8080"
WRONG = "00000000"
WORDS = ["operation", "correlationId", "cert", "digest", "algo", "pin", "keyusage", "documentName"]
DIGEST = hashlib.sha256(b"attributes").digest()


@dataclass
class Agent:
    """The running agent."""

    stack: DemoStack
    service: Service
    url: str
    state: Path

    def ask(self, operation: str, origin: str = PAGE, **more: Any) -> dict[str, Any]:
        """Send a message as the page does."""
        message = {"operation": operation, "correlationId": "c-1", "language": "nl", **more}
        answer = httpx.post(f"{self.url}/message", json=message, headers={"origin": origin}, timeout=30)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
        found: dict[str, Any] = answer.json()
        return found

    @property
    def cert(self) -> str:
        """The signature certificate, in base64."""
        certificate = self.stack.pki.signers["p384"].certificate
        return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()

    def certificates(self) -> dict[str, Any]:
        """Ask for the certificates."""
        return self.ask("USERCERTS", keyusage="NONREPUDIATION")

    def sign(self, octets: bytes = DIGEST, algo: str | None = "SHA256", **more: Any) -> dict[str, Any]:
        """Ask for a signature over a digest."""
        text = base64.b64encode(octets).decode()
        values = {"cert": self.cert, "algo": algo, "digest": text, "pin": None, "documentName": "contract.pdf"}
        return self.ask("SIGN", **(values | more))

    def with_window(self, give: Callable[[dict[str, Any]], str | None], **more: Any) -> dict[str, Any]:
        """Ask for a signature while a window is open, which gives what `give` returns for what it is shown."""
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.sign, **more)
            known = 0
            while not answer.done():
                try:
                    news = httpx.get(f"{self.url}/window/next", params={"known": known}, timeout=0.5).json()
                except httpx.ReadTimeout:
                    continue
                known = news["version"]
                if news["request"]:
                    self.give(news["request"], give(news)).raise_for_status()
            return answer.result()

    def give(self, request: str, pin: str | None, origin: str | None = None) -> httpx.Response:
        """Answer as the window does."""
        path = "cancel" if pin is None else "pin"
        headers = {"origin": origin or self.url}
        return httpx.post(f"{self.url}/window/{path}", json={"request": request, "pin": pin}, headers=headers)

    def right(self, _news: dict[str, Any]) -> str:
        """Return the right PIN."""
        return self.stack.pin

    def unblock(self) -> None:
        """Give the card its tries back."""
        command = [sys.executable, "-m", "deploy.demo_card", "unblock", "--state", str(self.state)]
        subprocess.run(command, check=True, capture_output=True)


@contextmanager
def started(stack: DemoStack, directory: Path, *more: str) -> Iterator[Agent]:
    port, state = free_port(), directory / "card.json"
    command = [
        *(sys.executable, "-m", "deploy.demo_card", "serve", "--token", str(stack.directory / "token")),
        *("--state", str(state), "--port", str(port), "--origin", PAGE, "--environment", "TA", *more),
    ]
    with Service("the agent", command, "card agent ready", directory / "agent.log") as service:
        yield Agent(stack, service, f"http://127.0.0.1:{port}", state)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoStack]:
    with demo_stack(tmp_path_factory.mktemp("agent") / "demo") as made:
        yield made


@pytest.fixture(scope="module")
def running(stack: DemoStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with started(stack, tmp_path_factory.mktemp("state")) as agent:
        yield agent


@pytest.fixture
def agent(running: Agent) -> Agent:
    running.unblock()
    return running


def test_version_and_certificates(agent: Agent) -> None:
    version = agent.ask("VERSION")
    assert (version["result"], version["version"], version["correlationId"]) == ("OK", "3.0", "c-1")
    assert "hostpin" in version["capabilities"]
    [reader] = agent.ask("USERCERTS", keyusage="NONREPUDIATION")["Readers"]
    assert reader["ReaderType"] == "pinpad", "every page then leaves the PIN to the host"
    signer = agent.stack.pki.signers["p384"]
    assert base64.b64decode(reader["certificates"][0]) == signer.certificate.public_bytes(Encoding.DER)
    chain = agent.ask("CERTCHAIN", cert=reader["certificates"][0])["certificateChain"]
    assert base64.b64decode(chain["rootCA"]) == agent.stack.pki.root.certificate.public_bytes(Encoding.DER)
    assert len(chain["subCA"]) == 1


@pytest.mark.parametrize("algorithm", [("SHA256", SHA256()), ("SHA-384", SHA384()), ("SHA512", SHA512())])
def test_signatures_verify(agent: Agent, algorithm: tuple[str, Any], tmp_path: Path) -> None:
    name, primitive = algorithm
    data = b"signed attributes"
    digest = hashlib.new(primitive.name, data).digest()
    seen: list[dict[str, Any]] = []
    answer = agent.with_window(lambda news: seen.append(news) or agent.stack.pin, octets=digest, algo=name)
    assert answer["result"] == "OK"
    value = base64.b64decode(answer["signature"])
    key = agent.stack.pki.signers["p384"].certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(value, digest, ec.ECDSA(Prehashed(primitive)))
    assert (seen[0]["origin"], seen[0]["document"], seen[0]["digest"]) == (PAGE, "contract.pdf", digest.hex()[:8])
    (tmp_path / "key.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "value").write_bytes(value)
    (tmp_path / "data").write_bytes(data)
    command = ["openssl", "dgst", f"-{primitive.name}", "-verify", "key.pem", "-signature", "value", "data"]
    assert b"Verified OK" in subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout


def test_three_wrong_pins_block_the_card_and_a_right_one_starts_anew(agent: Agent) -> None:
    assert agent.with_window(lambda _: WRONG)["result"] == "pin_2_attempts_left"
    assert agent.with_window(lambda _: WRONG)["result"] == "pin_1_attempt_left"
    assert agent.with_window(agent.right)["result"] == "OK"
    for expected in ("pin_2_attempts_left", "pin_1_attempt_left", "card_blocked"):
        assert agent.with_window(lambda _: WRONG)["result"] == expected
    assert agent.sign()["result"] == "card_blocked", "the right PIN is not even asked"
    agent.unblock()
    assert agent.with_window(agent.right)["result"] == "OK"


def test_the_counter_outlives_kill(stack: DemoStack, tmp_path: Path) -> None:
    """A try is counted before it is made: killing the agent gives none for free."""
    for expected in ("pin_2_attempts_left", "pin_1_attempt_left", "card_blocked"):
        with started(stack, tmp_path) as agent:
            assert agent.with_window(lambda _: WRONG)["result"] == expected
            subprocess.run(["kill", "-9", str(agent.service.pid)], check=True)
    with started(stack, tmp_path) as agent:
        assert agent.sign()["result"] == "card_blocked"
        agent.state.write_text("broken")
        assert agent.sign()["result"] == "card_blocked", "a counter that cannot be read is no fresh one"


def test_cancelled_and_closed(agent: Agent) -> None:
    assert agent.with_window(lambda _: None)["result"] == "cancel"
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(agent.sign)
        time.sleep(0.5)
        known = httpx.get(f"{agent.url}/window/next?known=0").json()["version"]
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{agent.url}/window/next?known={known}", timeout=0.3)
        assert answer.result()["result"] == "cancel"
    assert json.loads(agent.state.read_text())["used"] == 0


def test_without_a_window_nobody_waits_for_ever(agent: Agent) -> None:
    began = time.monotonic()
    assert agent.sign()["result"] == "pin_timeout"
    assert time.monotonic() - began < 15


def test_one_request_at_a_time(agent: Agent) -> None:
    def second_request(_news: dict[str, Any]) -> str | None:
        assert agent.sign()["result"] == agent.certificates()["result"] == "busy"
        return None

    assert agent.with_window(second_request)["result"] == "cancel"


@pytest.mark.parametrize(
    ("change", "report"),
    [
        ({"algo": "SHA1"}, "algorithm_unknown"),
        ({"algo": None}, "algorithm_unknown"),
        ({"digest": base64.b64encode(bytes(31)).decode()}, "digest_length"),
        ({"digest": "-_-_"}, "digest_not_base64"),
        ({"digest": ""}, "digest_missing_or_too_long"),
        ({"pin": "1234"}, "pin_in_page"),
        ({"cert": "AAAA"}, "CERTIFICATE_NOT_FOUND"),
        ({"documentName": 7}, "document_name"),
    ],
)
def test_what_is_wrong_is_refused_before_a_pin_is_asked(agent: Agent, change: dict[str, Any], report: str) -> None:
    began = time.monotonic()
    answer = agent.sign(**change)
    assert answer["result"] in ("general_error", "no_card")
    assert answer["report"] == report
    assert time.monotonic() - began < 5


def test_the_authentication_key_and_the_identity_are_not_given_out(agent: Agent) -> None:
    for operation in ("AUTH", "ID", "FORMAT", ""):
        assert agent.ask(operation, idflags="511")["result"] == "general_error"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{PAGE}.evil.example", "http://localhost:80800", ""]
)
def test_other_sites_are_refused(agent: Agent, origin: str) -> None:
    refused = httpx.post(f"{agent.url}/message", json={"operation": "VERSION"}, headers={"origin": origin})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers
    preflight = httpx.options(f"{agent.url}/message", headers={"origin": origin})
    assert preflight.status_code == 403


def test_a_name_that_was_rebound_to_this_machine_is_refused(agent: Agent) -> None:
    port = agent.url.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", f"localhost:{port}", "127.0.0.1"):
        for path in ("/message", "/window", "/window/next"):
            answer = httpx.request(
                "POST" if path == "/message" else "GET", f"{agent.url}{path}", headers={"host": host, "origin": PAGE}
            )
            assert answer.status_code == 403


def test_another_sites_page_can_give_no_pin(agent: Agent) -> None:
    def from_elsewhere(news: dict[str, Any]) -> str | None:
        assert agent.give(news["request"], WRONG, origin="https://evil.example").status_code == 404
        assert agent.give(news["request"], WRONG, origin=PAGE).status_code == 404
        assert agent.give("0" * 32, WRONG).status_code == 409
        return None

    assert agent.with_window(from_elsewhere)["result"] == "cancel"
    for malformed in (b"", b"[]", b"{", b'{"request": {}}', b"x" * 20_000):
        answer = httpx.post(f"{agent.url}/window/pin", content=malformed, headers={"origin": agent.url})
        assert answer.status_code in (400, 422)


def test_the_window_is_strict(agent: Agent) -> None:
    page = httpx.get(f"{agent.url}/window?lang=fr")
    assert 'lang="fr"' in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert httpx.get(f"{agent.url}/window?lang=<script>").text.count("<script") == 1
    assert httpx.get(f"{agent.url}/window/../card_core.py").status_code == 404
    assert httpx.get(f"{agent.url}/window/texts.json").status_code == 404


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
        max_leaves=8,
    )
)
def test_every_message_gets_an_answer(agent: Agent, message: Any) -> None:
    answer = httpx.post(f"{agent.url}/message", json=message, headers={"origin": PAGE})
    assert answer.status_code == 200
    assert answer.json()["result"] in ("general_error", "OK", "no_card")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 9000, b'"x"', b"x" * 20_000])
def test_what_is_no_message_gets_an_answer(agent: Agent, body: bytes) -> None:
    headers = {"origin": PAGE, "content-type": "application/json"}
    answer = httpx.post(f"{agent.url}/message", content=body, headers=headers)
    assert answer.json()["result"] == "general_error"


def test_a_software_card_says_so_and_signs(stack: DemoStack, tmp_path: Path) -> None:
    more = ("--software", str(stack.directory / "pki"), "--pin-file", str(stack.directory / "pin"))
    with started(stack, tmp_path, *more) as agent:
        assert agent.with_window(agent.right)["result"] == "OK"
        assert agent.with_window(lambda _: WRONG)["result"] == "pin_2_attempts_left"
        assert b"protects nothing" in agent.service.log.read_bytes()


def test_it_is_refused_in_prod(stack: DemoStack, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "deploy.demo_card", "serve", "--token", str(stack.directory / "token")),
        *("--state", str(tmp_path / "s"), "--port", "1", "--origin", PAGE, "--environment", "PROD"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "refused in PROD" in done.stderr


def test_the_port_is_taken(stack: DemoStack, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        command = [
            *(sys.executable, "-m", "deploy.demo_card", "serve", "--token", str(stack.directory / "token")),
            *("--state", str(tmp_path / "s"), "--port", str(other.getsockname()[1]), "--origin", PAGE),
            *("--environment", "TA"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "card agent:" in done.stderr
