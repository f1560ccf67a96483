"""The card core: one message in, one message out, on the BeIDConnect wire, whatever carries it.

Every message gets an answer. What is asked is checked to the end before a PIN is asked for; the PIN is asked here,
never taken from the page (FTS-SIG-3), and the signature is verified before it is given out.
"""

import asyncio
import base64
import binascii
import concurrent.futures
import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from cryptography import x509

from signing.eid.ports import (
    Card,
    CardAbsentError,
    CardCertificate,
    CardError,
    CardRemovedError,
    CertificateNotFoundError,
    DigestName,
    KeyAlgorithm,
    ModuleUnavailableError,
    PinBlockedError,
    PinCancelledError,
    PinIncorrectError,
    SignatureMechanism,
)

Message = dict[str, Any]

MAX_REQUEST_BYTES: Final = 10_000
"""Longest request, in octets of JSON."""
VERSION: Final = "3.0"
CAPABILITIES: Final = ("hostpin", "origin", "cancel")

_LOG: Final = logging.getLogger("fts.card")
_MAX_TEXT: Final = 200
_MAX_CERTIFICATE_CHARACTERS: Final = 8_000
_DIGESTS: Final[dict[str, tuple[DigestName, int]]] = {
    "SHA256": ("sha256", 32),
    "SHA384": ("sha384", 48),
    "SHA512": ("sha512", 64),
}
_RESULTS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (ModuleUnavailableError, "no_reader"),
    (CardAbsentError, "no_card"),
    (CardRemovedError, "no_card"),
    (CertificateNotFoundError, "no_card"),
    (PinBlockedError, "card_blocked"),
    (PinCancelledError, "cancel"),
    (asyncio.CancelledError, "cancel"),
)
_ATTEMPTS: Final = {"last": "pin_1_attempt_left", "few": "pin_2_attempts_left", "unknown": "pin_incorrect"}


class PinTimeoutError(CardError):
    """Nobody gave the PIN in time; no signature was made."""

    code: ClassVar[str] = "PIN_TIMEOUT"


class WireError(ValueError):
    """The request is not as the wire has it; the text is a word for `report`."""


@dataclass(frozen=True, slots=True)
class PinRequest:
    """What the signer is asked to agree to with the PIN."""

    origin: str
    """Of the page that asks."""
    document: str
    """Its name, as the page gives it; without invisible characters."""
    digest: bytes
    certificate: CardCertificate


class PinDesk(Protocol):
    """Asks the signer for the PIN, outside the page."""

    async def ask(self, request: PinRequest) -> str | None:
        """Return the PIN, None when the signer cancels.

        Raises:
            PinTimeoutError: nobody answered.
        """

    def tell(self, result: str) -> None:
        """Show what came of it: a result code of the wire."""


class CardCore:
    """Answers the messages of one card or reader."""

    def __init__(self, card: Card, desk: PinDesk, *, labels: Sequence[str] = ()) -> None:
        """Answer for `card`, asking PINs at `desk`; `labels` limits which certificates are offered."""
        self._card = card
        self._desk = desk
        self._labels = frozenset(labels)
        self._busy = asyncio.Lock()

    async def handle(self, message: object, *, origin: str) -> Message:
        """Answer a message of the page at `origin`; there is always an answer.

        When this is cancelled (the page is gone), a PIN that is being asked is asked no longer and nothing is signed;
        a PIN that was given is tried to the end, so that its counter is right.
        """
        request = message if isinstance(message, dict) else {}
        echoed = {name: request[name] for name in ("correlationId", "operation") if isinstance(request.get(name), str)}
        try:
            answer = await self._answer(request, origin)
        except WireError as error:
            answer = {"result": "general_error", "report": str(error)}
        except CardError as error:
            answer = {"result": result_of(error), "report": error.code}
        except Exception as error:  # noqa: BLE001 - there is always an answer
            place = traceback.extract_tb(error.__traceback__)[-1]
            # without its text, which may quote the request
            _LOG.error("a message could not be answered: %s in %s", type(error).__name__, place.name)
            answer = {"result": "general_error", "report": "internal_error"}
        return {**answer, **echoed}

    async def _answer(self, request: Message, origin: str) -> Message:
        match request.get("operation"):
            case "VERSION":
                return {"result": "OK", "version": VERSION, "capabilities": list(CAPABILITIES)}
            case "USERCERTS" | "CERTCHAIN" | "SIGN" if self._busy.locked():
                return {"result": "busy"}
            case "USERCERTS":
                return await self._certificates(request)
            case "CERTCHAIN":
                return await self._chain(request)
            case "SIGN":
                return await self._sign(request, origin)
            case "ID" | "AUTH":
                raise WireError("operation_not_offered")
            case _:
                raise WireError("operation_unknown")

    async def _certificates(self, request: Message) -> Message:
        wanted = request.get("keyusage", "")
        readers: dict[str, list[str]] = {}
        for entry in await self._offered():
            signs = _is_for_signatures(entry)
            if (wanted == "NONREPUDIATION" and not signs) or (wanted == "DIGITALSIGNATURE" and signs):
                continue
            readers.setdefault(entry.token_label, []).append(base64.b64encode(entry.der).decode())
        if not readers:
            return {"result": "no_card", "Readers": []}
        shown = [
            {"ReaderName": name, "ReaderType": "pinpad", "cardType": "BEID", "certificates": certificates}
            for name, certificates in readers.items()
        ]
        return {"result": "OK", "Readers": shown}

    async def _chain(self, request: Message) -> Message:
        entry = await self._entry(request)
        issuers = [(base64.b64encode(der).decode(), der) for der in entry.chain]
        roots = [text for text, der in issuers if _is_self_issued(der)]
        others = [text for text, der in issuers if not _is_self_issued(der)]
        chain = {"rootCA": roots[0] if roots else "", "subCA": others}
        return {"result": "OK", "certificateChain": chain, "cardType": "BEID", "ReaderType": "pinpad"}

    async def _sign(self, request: Message, origin: str) -> Message:
        name = request.get("algo")
        algorithm = _DIGESTS.get(name.replace("-", "").upper()) if isinstance(name, str) else None
        if algorithm is None:
            raise WireError("algorithm_unknown")
        digest = _octets(request, "digest", 100)
        if len(digest) != algorithm[1]:
            raise WireError("digest_length")
        if request.get("pin") not in (None, "", "null"):
            raise WireError("pin_in_page")
        document = request.get("documentName", "")
        if not isinstance(document, str):
            raise WireError("document_name")
        async with self._busy:
            entry = await self._entry(request)
            if not _is_for_signatures(entry):
                raise WireError("certificate_not_for_signatures")
            asked = PinRequest(origin, _visible(document), digest, entry)
            try:
                value = await self._signature(asked, algorithm[0])
            except (Exception, asyncio.CancelledError) as error:
                self._desk.tell(result_of(error))
                raise
            self._desk.tell("OK")
        return {"result": "OK", "signature": base64.b64encode(value).decode()}

    async def _signature(self, asked: PinRequest, algorithm: DigestName) -> bytes:
        loop = asyncio.get_running_loop()
        elliptic = asked.certificate.key_algorithm is KeyAlgorithm.EC
        mechanism = SignatureMechanism.ECDSA if elliptic else SignatureMechanism.RSA_PKCS1_V15

        given_up = False
        asking: asyncio.Task[Any] | None = None

        async def ask() -> str | None:
            nonlocal asking
            asking = asyncio.current_task()
            return None if given_up else await self._desk.ask(asked)

        def prompt(_text: str) -> str | None:
            try:
                return asyncio.run_coroutine_threadsafe(ask(), loop).result()
            except concurrent.futures.CancelledError:
                return None

        work = asyncio.ensure_future(
            self._card.sign_digest(asked.certificate, asked.digest, algorithm, mechanism, prompt)
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            given_up = True
            if asking is not None:
                asking.cancel()
            await asyncio.gather(work, return_exceptions=True)
            raise

    async def _offered(self) -> list[CardCertificate]:
        found = [entry for entry in await self._card.certificates() if entry.can_sign]
        return [entry for entry in found if not self._labels or entry.label in self._labels]

    async def _entry(self, request: Message) -> CardCertificate:
        wanted = _octets(request, "cert", _MAX_CERTIFICATE_CHARACTERS)
        for entry in await self._offered():
            if entry.der == wanted:
                return entry
        raise CertificateNotFoundError("the certificate is not on this card")


def result_of(error: BaseException) -> str:
    """Return the wire's result code for a failure of the card, or for a request that nobody waits for any more."""
    if isinstance(error, PinTimeoutError):
        return "pin_timeout"
    if isinstance(error, PinIncorrectError):
        return _ATTEMPTS[error.attempts_left]
    return next((code for kind, code in _RESULTS if isinstance(error, kind)), "general_error")


def _octets(request: Message, name: str, most: int) -> bytes:
    text = request.get(name)
    if not isinstance(text, str) or not 0 < len(text) <= most:
        raise WireError(f"{name}_missing_or_too_long")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError(f"{name}_not_base64") from error


def _visible(text: str) -> str:
    """Return `text` as it can be shown: no control or direction characters, which could disguise it; not too long."""
    shown = "".join(c if c.isprintable() else "?" for c in text[: _MAX_TEXT + 1])
    return shown if len(shown) <= _MAX_TEXT else f"{shown[:_MAX_TEXT]}…"


def _is_for_signatures(entry: CardCertificate) -> bool:
    """Tell whether the key usage has contentCommitment (RFC 5280, clause 4.2.1.3)."""
    try:
        certificate = x509.load_der_x509_certificate(entry.der)
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.content_commitment
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def _is_self_issued(der: bytes) -> bool:
    certificate = x509.load_der_x509_certificate(der)
    return certificate.subject == certificate.issuer
