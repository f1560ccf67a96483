"""The signing page on its stand, in a headless Chromium, with a browser extension that the test plays."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from playwright.sync_api import Browser, Page, expect

from deploy.demo_browser import chromium
from tests.support.page_stand import Stand, standing

EXTENSION = """
window.cards = %s;
window.signing = () => Promise.resolve({ result: "OK", signature: "AAAA" });
window.EIDChromeExt = class {
  getVersion() { return Promise.resolve({ result: "OK", version: "3.0" }); }
  getUserCertificates() {
    if (window.cards.length === 0) return Promise.reject({ result: "no_card", Readers: "" });
    const reader = (certificate, i) => (
      { ReaderName: `Reader ${i + 1}`, ReaderType: "pinpad", certificates: [certificate] });
    return Promise.resolve({ result: "OK", Readers: window.cards.map(reader) });
  }
  getUserCertificateChain() {
    return Promise.resolve({ result: "OK", certificateChain: { rootCA: "UkE=", subCA: [] } });
  }
  sign(language, mac, cert, algo, digest, pin) { window.signed = { cert, digest, pin }; return window.signing(); }
  suspend() {}
};
"""

Open = Callable[..., Page]


def certificate(name: str, *, bmp: bool = False) -> str:
    """Return a certificate with a common name, DER in base64."""
    key = ec.generate_private_key(ec.SECP256R1())
    kind = x509.name._ASN1Type.BMPString if bmp else None
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "BE"),
            x509.NameAttribute(NameOID.COMMON_NAME, name, _type=kind),
            x509.NameAttribute(NameOID.SURNAME, "Janssens"),
        ]
    )
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Issuer")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), 1, start, start + timedelta(days=365))
    return base64.b64encode(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)).decode()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as program:
        yield program


@pytest.fixture
def stand() -> Iterator[Stand]:
    with standing(Stand()) as served:
        yield served


@pytest.fixture
def opened(browser: Browser, stand: Stand) -> Iterator[Open]:
    """Opens the stand's page with cards in the extension's readers; None: without an extension."""
    contexts = []

    def opening(cards: list[str] | None, user_agent: str | None = None) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, user_agent=user_agent)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        expect.set_options(timeout=15_000)
        if cards is not None:
            page.add_init_script(EXTENSION % json.dumps(cards))
        page.goto(f"{stand.url}/sign/{'0' * 32}")
        return page

    yield opening
    for context in contexts:
        context.close()
