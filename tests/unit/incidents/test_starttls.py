"""Reports of security events go to the mail server over TLS, or not at all (FTS-GDPR-6, FTS-SEC-3)."""

import ipaddress
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fts.configuration import Mail
from fts.incidents.mail import send

HOST = "127.0.0.1"


class Inbox:
    """Keeps for each mail whether it came over TLS."""

    def __init__(self) -> None:
        self.over_tls: list[bool] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        self.over_tls.append(session.ssl is not None)
        return "250 OK"


def certificate(directory: Path, address: str = HOST) -> Path:
    """Write a key and a certificate that it signed itself, for an address; return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Mail server")])
    now = datetime.now(UTC)
    subject = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(hours=1))
    made = builder.add_extension(subject, critical=False).sign(key, hashes.SHA256())
    path = directory / f"{address}-{made.serial_number:x}.pem"
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    )
    return path


@contextmanager
def server(inbox: Inbox, pem: Path | None) -> Iterator[int]:
    """Run a mail server, with STARTTLS where it has a certificate; give its port."""
    context = None
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
    with socket.create_server((HOST, 0)) as probe:
        port = int(probe.getsockname()[1])
    controller = Controller(inbox, hostname=HOST, port=port, tls_context=context, require_starttls=context is not None)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def hand_over(port: int, ca_file: Path | None) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "fts@gateway.example", "duty@gateway.example", "Event"
    message.set_content("A fact.")
    operators = ("duty@gateway.example",)
    send(Mail(host=HOST, port=port, ca_file=ca_file, sender="fts@gateway.example", operators=operators), message)


def test_the_mail_goes_over_tls_to_a_server_with_a_known_certificate(tmp_path: Path) -> None:
    inbox, pem = Inbox(), certificate(tmp_path)
    with server(inbox, pem) as port:
        hand_over(port, pem)
    assert inbox.over_tls == [True]


@pytest.mark.parametrize("known", ["nothing", "another certificate"])
def test_a_server_that_nobody_vouches_for_gets_no_mail(tmp_path: Path, known: str) -> None:
    inbox = Inbox()
    ca_file = None if known == "nothing" else certificate(tmp_path)
    with server(inbox, certificate(tmp_path)) as port, pytest.raises(ssl.SSLCertVerificationError):
        hand_over(port, ca_file)
    assert inbox.over_tls == []


def test_a_certificate_for_another_address_gets_no_mail(tmp_path: Path) -> None:
    inbox, pem = Inbox(), certificate(tmp_path, "192.0.2.1")
    with server(inbox, pem) as port, pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        hand_over(port, pem)
    assert inbox.over_tls == []


def test_a_server_without_tls_gets_no_mail(tmp_path: Path) -> None:
    inbox = Inbox()
    with server(inbox, None) as port, pytest.raises(smtplib.SMTPNotSupportedError):
        hand_over(port, certificate(tmp_path))
    assert inbox.over_tls == []
