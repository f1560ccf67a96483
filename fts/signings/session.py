"""What the signer does on the page: open the link, give a certificate, give the signature value, decline.

The link's secret opens a session; the last browser that opened the link has it. The session alone can move the signing,
and nothing comes from the browser but the certificate and the signature value (design, section 3).
"""

import base64
import binascii
import secrets
from dataclasses import dataclass

from fts.audit.service import Actor
from fts.jobs.queue import enqueue
from fts.problems import ProblemError
from fts.services import Services
from fts.signings import store
from fts.signings.states import State
from fts.signings.store import Signing, StaleError, move, note
from signing.ports import CertificateError, SignatureValueError
from timestamping.algorithms import DigestAlgorithm


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that was opened."""

    signing: Signing
    token: str
    """For the browser's cookie."""


async def open_link(services: Services, signing_id: str, secret: str, actor: Actor) -> Opened:
    """Open a session with the link's secret; an earlier browser's session ends.

    Raises:
        ProblemError: LINK_INVALID (the same for an unknown signing and a wrong secret), SIGNING_ENDED, SIGNING_EXPIRED.
    """
    async with services.database.read() as connection:
        signing = await store.find(services.vault, connection, signing_id, services.clock())
    fits = secrets.compare_digest(services.keyring.token("signing-link", signing_id).encode(), secret.encode())
    if signing is None or not fits:
        raise ProblemError("LINK_INVALID", "the link is not complete, was changed, or its document is gone")
    _check_open(services, signing)
    if signing.state is State.FINISHING:
        raise ProblemError("SIGNING_FINISHING", "the signer has signed; the signed document is being made")
    token = secrets.token_urlsafe(32)
    mac = services.keyring.mac("session", token)
    to = State.OPENED if signing.state is State.CREATED else signing.state
    event = "signing.opened" if signing.session_mac is None else "signing.reopened"
    try:
        async with services.database.write() as work:
            await move(work, signing, to, event, actor, session_mac=mac)
    except StaleError:
        return await open_link(services, signing_id, secret, actor)
    return Opened(await _read(services, signing_id), token)


async def current(services: Services, signing_id: str, token: str | None) -> Signing:
    """Return the signing of a session.

    Raises:
        ProblemError: SESSION_REQUIRED, SESSION_REPLACED.
    """
    async with services.database.read() as connection:
        signing = await store.find(services.vault, connection, signing_id, services.clock())
    if token is None or signing is None:
        raise ProblemError("SESSION_REQUIRED", "this browser has not opened the link")
    if not services.keyring.matches("session", token, signing.session_mac):
        raise ProblemError("SESSION_REPLACED", "the link was opened in another browser after this one")
    return signing


async def give_certificate(
    services: Services, signing: Signing, actor: Actor, certificate: str, chain: list[str]
) -> Signing:
    """Take the signer's certificate; a worker checks it and prepares the signature.

    Raises:
        ProblemError: CERTIFICATE_MALFORMED, SIGNING_ENDED, SIGNING_FINISHING, SIGNING_EXPIRED, SIGNING_STATE.
    """
    _check_open(services, signing)
    if signing.state is State.FINISHING:
        raise ProblemError("SIGNING_FINISHING", "the signer has signed; the signed document is being made")
    certificates = [_certificate(services, text) for text in (certificate, *chain)]
    fingerprint = _fingerprint(certificates[0])
    payload = {"signing": signing.id, "certificate_sha256": fingerprint}
    try:
        async with services.database.write() as work:
            await move(
                work,
                signing,
                State.PREPARING,
                "signing.certificate_given",
                actor,
                digest=None,
                personal={"problem": None, "certificates": tuple(c.hex() for c in certificates)},
                data={"certificate_sha256": fingerprint},
            )
            await enqueue(work, "prepare", signing.id, payload, client_id=signing.client_id)
    except StaleError as error:
        raise ProblemError("SIGNING_STATE", "the signing was moved in the meantime") from error
    return await _read(services, signing.id)


async def give_value(services: Services, signing: Signing, actor: Actor, digest: str, value: str) -> Signing:
    """Take the signature value; a worker makes the signed document. The same value again changes nothing.

    Raises:
        ProblemError: SIGNATURE_MISMATCH, DIGEST_NOT_PREPARED, SIGNING_ENDED, SIGNING_EXPIRED, SIGNING_STATE.
    """
    octets, over = _octets(value), _octets(digest)
    if signing.state in (State.FINISHING, State.COMPLETED) and over == signing.digest:
        return signing
    _check_open(services, signing)
    if signing.state is not State.PREPARED or signing.digest is None:
        raise ProblemError("SIGNING_STATE", f"no signature value is expected in the state {signing.state.public}")
    if over != signing.digest:
        raise ProblemError("DIGEST_NOT_PREPARED", "the value is over another digest than the one that was prepared")
    octets = _checked_value(signing, octets)
    payload = {"signing": signing.id}
    try:
        async with services.database.write() as work:
            await move(
                work,
                signing,
                State.FINISHING,
                "signing.value_accepted",
                actor,
                accepted_at=work.now,
                personal={"signature": octets.hex()},
                data={"digest": signing.digest.hex(), "signature_sha256": _fingerprint(octets)},
            )
            await enqueue(work, "finish", signing.id, payload, client_id=signing.client_id, key=f"finish:{signing.id}")
    except StaleError as error:
        raise ProblemError("SIGNING_STATE", "the signing was moved in the meantime") from error
    return await _read(services, signing.id)


async def decline(services: Services, signing: Signing, actor: Actor) -> Signing:
    """End the signing because the signer does not want to sign; repeating it changes nothing.

    Raises:
        ProblemError: SIGNING_ENDED, SIGNING_FINISHING, SIGNING_STATE.
    """
    if signing.state is State.DECLINED:
        return signing
    if signing.state is State.FINISHING:
        raise ProblemError("SIGNING_FINISHING", "the signer has signed; the signed document is being made")
    _check_open(services, signing)
    try:
        async with services.database.write() as work:
            await move(work, signing, State.DECLINED, "signing.declined", actor)
    except StaleError as error:
        raise ProblemError("SIGNING_STATE", "the signing was moved in the meantime") from error
    return await _read(services, signing.id)


async def report_card(services: Services, signing: Signing, actor: Actor, result: str) -> None:
    """Write down what the card software answered; it moves nothing."""
    if not signing.state.has_ended:
        async with services.database.write() as work:
            await note(work, signing, "signing.card_problem", actor, result=result)


async def _read(services: Services, signing_id: str) -> Signing:
    async with services.database.read() as connection:
        signing = await store.find(services.vault, connection, signing_id, services.clock())
    if signing is None:
        raise ProblemError("SIGNING_NOT_FOUND", "the signing's document is gone")
    return signing


def _check_open(services: Services, signing: Signing) -> None:
    """Refuse what comes after the end or after the deadline, whether or not the sweep has seen it."""
    if signing.state is State.EXPIRED:
        raise ProblemError("SIGNING_EXPIRED", f"the time to sign ended at {signing.deadline:%Y-%m-%d %H:%M} UTC")
    if signing.state.has_ended:
        raise ProblemError("SIGNING_ENDED", f"the signing is {signing.state}", state=signing.state.value)
    if signing.state is not State.FINISHING and signing.deadline <= services.clock():
        raise ProblemError("SIGNING_EXPIRED", f"the time to sign ended at {signing.deadline:%Y-%m-%d %H:%M} UTC")


def _certificate(services: Services, text: str) -> bytes:
    from signing.values import check_readable  # noqa: PLC0415 - a process that carries no signing reads no ASN.1

    try:
        der = base64.b64decode(text, validate=True)
        if len(der) > services.limits.certificate_bytes:
            raise ValueError("it is too long")
        check_readable(der)
    except (binascii.Error, ValueError, CertificateError) as error:
        raise ProblemError("CERTIFICATE_MALFORMED", f"a certificate cannot be read: {error}") from error
    return der


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProblemError("REQUEST_INVALID", "digest and signature are in base64") from error


def _checked_value(signing: Signing, value: bytes) -> bytes:
    """Return the value as it goes into the signature, after its verification with the certificate that was given."""
    from signing.values import checked_value  # noqa: PLC0415 - as above

    certificate = signing.personal.certificate
    if certificate is None or signing.signature_algorithm is None or signing.digest is None:
        raise ProblemError("SIGNING_STATE", "nothing is prepared")
    algorithm = DigestAlgorithm(signing.digest_algorithm or "")
    try:
        return checked_value(certificate, signing.signature_algorithm, algorithm, signing.digest, value)
    except SignatureValueError as error:
        raise ProblemError(error.code, str(error), party=error.party) from error


def _fingerprint(octets: bytes) -> str:
    return DigestAlgorithm.SHA256.digest(octets).hex()
