"""A card and a person that do as they are told, for tests of what stands between them."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from signing.eid.card_core import PinRequest
from signing.eid.ports import (
    CardCertificate,
    DigestName,
    KeyAlgorithm,
    PinCancelledError,
    PinIncorrectError,
    PinPrompt,
    SignatureMechanism,
)

PIN = "4711"
SIGNATURE = b"a signature"


def listed(label: str, *, signs: bool | None = True, can_sign: bool = True) -> CardCertificate:
    """Return a certificate with contentCommitment, without it, or with no key usage at all (None)."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"TEST {label}")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    if signs is not None:
        usage = x509.KeyUsage(not signs, signs, *[False] * 7)
        builder = builder.add_extension(usage, critical=True)
    der = builder.sign(key, SHA256()).public_bytes(Encoding.DER)
    return CardCertificate("TEST", label, label.encode(), der, KeyAlgorithm.EC, 384, can_sign, (der,))


class ScriptedCard:
    """A card whose next signatures end as `outcomes` say; asks for the PIN in a thread, as a real one does."""

    def __init__(self, *certificates: CardCertificate) -> None:
        self.listed = list(certificates)
        self.outcomes: list[BaseException] = []
        self.slow = threading.Event()
        self.slow.set()
        self.tried: list[str] = []
        self.trying = threading.Event()

    async def certificates(self) -> list[CardCertificate]:
        return self.listed

    async def sign_digest(
        self,
        certificate: CardCertificate,
        digest: bytes,
        digest_algorithm: DigestName,
        mechanism: SignatureMechanism,
        pin: PinPrompt,
    ) -> bytes:
        def work() -> bytes:
            given = pin("PIN?")
            if given is None:
                raise PinCancelledError("no PIN")
            self.tried.append(given)
            self.trying.set()
            self.slow.wait(10)
            if self.outcomes:
                raise self.outcomes.pop(0)
            if given != PIN:
                raise PinIncorrectError("wrong", attempts_left="unknown")
            return SIGNATURE

        return await asyncio.to_thread(work)

    async def close(self) -> None:
        pass


class Person:
    """Gives the PIN that `answer` returns; keeps what was asked and told."""

    def __init__(self, answer: Callable[[], str | None] = lambda: PIN) -> None:
        self.answer = answer
        self.free = asyncio.Event()
        self.free.set()
        self.called = asyncio.Event()
        self.asked: list[PinRequest] = []
        self.told: list[str] = []

    async def ask(self, request: PinRequest) -> str | None:
        self.asked.append(request)
        self.called.set()
        await self.free.wait()
        return self.answer()

    def tell(self, result: str) -> None:
        self.told.append(result)
