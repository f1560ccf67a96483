"""Choosing a certificate on a card, and signing with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from cryptography import x509

from signing.eid.ports import Card, CardCertificate, KeyAlgorithm, PinPrompt, SignatureMechanism
from timestamping.algorithms import DigestAlgorithm


@dataclass(frozen=True)
class Choice:
    """A certificate on a card, with what a person chooses it by."""

    entry: CardCertificate

    @cached_property
    def certificate(self) -> x509.Certificate | None:
        """The certificate, None where it cannot be read."""
        try:
            return x509.load_der_x509_certificate(self.entry.der)
        except ValueError:
            return None

    @cached_property
    def subject(self) -> str:
        """Subject (RFC 4514), empty where it cannot be read."""
        return _name(self.certificate, "subject")

    @cached_property
    def issuer(self) -> str:
        """Issuer (RFC 4514), empty where it cannot be read."""
        return _name(self.certificate, "issuer")

    @cached_property
    def is_for_signatures(self) -> bool:
        """Whether there is a key for it and its key usage has contentCommitment (RFC 5280, clause 4.2.1.3)."""
        if self.certificate is None or not self.entry.can_sign:
            return False
        try:
            usage = self.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
            return False
        return usage.content_commitment


def candidates(certificates: Sequence[CardCertificate], wanted: str | None) -> list[Choice]:
    """Return the certificates that `wanted` can mean; the choice is made when there is exactly one.

    `wanted` is a label or, failing that, a part of a label or subject, in any case; None means any. Where several
    fit, those that are for signatures go before the others.
    """
    choices = [Choice(certificate) for certificate in certificates]
    if wanted is not None:
        exact = [choice for choice in choices if choice.entry.label == wanted]
        part = wanted.casefold()
        choices = exact or [c for c in choices if part in c.entry.label.casefold() or part in c.subject.casefold()]
        if len(choices) == 1:
            return choices
    return [choice for choice in choices if choice.is_for_signatures]


@dataclass(frozen=True, slots=True)
class CardSigner:
    """Signs digests with one certificate of a card; each signature asks for the PIN anew."""

    card: Card
    entry: CardCertificate
    pin: PinPrompt
    rsa_pss: bool

    async def sign(self, digest: bytes, algorithm: DigestAlgorithm) -> bytes:
        """Return the signature value over `digest` (errors as `Card.sign_digest`)."""
        mechanism = SignatureMechanism.ECDSA
        if self.entry.key_algorithm is KeyAlgorithm.RSA:
            mechanism = SignatureMechanism.RSA_PSS if self.rsa_pss else SignatureMechanism.RSA_PKCS1_V15
        return await self.card.sign_digest(self.entry, digest, algorithm.value, mechanism, self.pin)


def _name(certificate: x509.Certificate | None, field: str) -> str:
    if certificate is None:
        return ""
    try:
        return str(getattr(certificate, field).rfc4514_string())
    except ValueError:
        return ""
