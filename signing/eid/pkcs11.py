"""The card through its PKCS#11 module (OASIS PKCS #11 v2.40).

A token asks for its PIN in one of three ways, told apart by CKF_LOGIN_REQUIRED of the token and
CKA_ALWAYS_AUTHENTICATE of the key: one login per signature; a login and a second one for the signature itself
(CKU_CONTEXT_SPECIFIC, with the same PIN); or not at all through PKCS#11, because the module shows a dialogue
of its own at C_Sign. CKF_PROTECTED_AUTHENTICATION_PATH says that the reader has keys: the login then goes
without a PIN from here.
"""

import asyncio
import os
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pkcs11
from pkcs11 import MGF, Mechanism, TokenFlag
from pkcs11.types import PROTECTED_AUTH, SignMixin

from signing.eid.pkcs11_errors import attempts_left
from signing.eid.pkcs11_objects import (
    always_authenticates,
    certificates_on,
    holder,
    holds_certificate,
    may_hide_key,
    signing_key,
)
from signing.eid.pkcs11_runtime import Pkcs11Module, in_pkcs11_thread, module_at
from signing.eid.ports import (
    CardCertificate,
    CardRemovedError,
    CertificateNotFoundError,
    DigestName,
    KeyNotFoundError,
    MechanismUnsupportedError,
    ModuleUnavailableError,
    PinBlockedError,
    PinCancelledError,
    PinIncorrectError,
    PinPrompt,
    SignatureMechanism,
)
from signing.eid.signature_values import check_request, data_to_sign, public_key, verified_value

_MECHANISMS: Final = {
    SignatureMechanism.RSA_PKCS1_V15: Mechanism.RSA_PKCS,
    SignatureMechanism.RSA_PSS: Mechanism.RSA_PKCS_PSS,
    SignatureMechanism.ECDSA: Mechanism.ECDSA,
}

_PSS_PARAMETERS: Final[dict[DigestName, tuple[Mechanism, MGF, int]]] = {
    "sha256": (Mechanism.SHA256, MGF.SHA256, 32),
    "sha384": (Mechanism.SHA384, MGF.SHA384, 48),
    "sha512": (Mechanism.SHA512, MGF.SHA512, 64),
}


@dataclass(frozen=True, slots=True)
class _Order:
    """One signature to be made."""

    certificate: CardCertificate
    digest: bytes
    algorithm: DigestName
    mechanism: SignatureMechanism
    prompt: PinPrompt
    abandoned: threading.Event
    """Set when nobody waits for the signature any more."""

    def sign(self, key: SignMixin, pin: str | None) -> bytes:
        """Sign with `key`; `pin` answers CKA_ALWAYS_AUTHENTICATE. Returns the verified signature value."""
        pss = self.mechanism is SignatureMechanism.RSA_PSS
        options: dict[str, Any] = {"mechanism_param": _PSS_PARAMETERS[self.algorithm]} if pss else {}
        public = public_key(self.certificate.der)
        data = data_to_sign(self.digest, self.algorithm, self.mechanism, public)
        try:
            raw = key.sign(data, mechanism=_MECHANISMS[self.mechanism], pin=pin, **options)
        finally:
            del pin
        return verified_value(raw, self.digest, self.algorithm, self.mechanism, public)


class Pkcs11Card:
    """A `Card` over the PKCS#11 module at the path `module`; with `token_label` the tokens of that name only.

    Nothing is loaded before the first call. All cards of a process share one thread (`pkcs11_runtime`), so
    that a signature waits while another one's PIN is asked. A process made by fork must not use a card of its
    parent, nor a module that its parent has in use: both give ModuleUnavailableError.
    """

    def __init__(self, module: Path, *, token_label: str | None = None) -> None:
        self._module: Pkcs11Module = module_at(module)
        self._token_label = token_label
        self._pid = os.getpid()

    async def certificates(self) -> list[CardCertificate]:
        """See `Card.certificates`; with several tokens present, those of all of them."""
        self._refuse_after_fork()
        return await in_pkcs11_thread(self._list)

    async def sign_digest(
        self,
        certificate: CardCertificate,
        digest: bytes,
        digest_algorithm: DigestName,
        mechanism: SignatureMechanism,
        pin: PinPrompt,
    ) -> bytes:
        """See `Card.sign_digest`. The login is taken back before this returns."""
        self._refuse_after_fork()
        check_request(digest, digest_algorithm, mechanism, certificate.key_algorithm)
        abandoned = threading.Event()
        order = _Order(certificate, digest, digest_algorithm, mechanism, pin, abandoned)
        try:
            return await in_pkcs11_thread(partial(self._sign, order))
        except asyncio.CancelledError:
            abandoned.set()
            raise

    async def close(self) -> None:
        """See `Card.close`; in a forked child nothing, as the module is its parent's."""
        if os.getpid() == self._pid:
            await in_pkcs11_thread(partial(self._module.remove_user, self))

    def _refuse_after_fork(self) -> None:
        if os.getpid() != self._pid:
            raise ModuleUnavailableError("this card was opened before the process was forked; open it again")

    def _list(self) -> list[CardCertificate]:
        self._module.add_user(self)
        found = []
        for token in self._module.tokens(self._token_label):
            with self._module.guarding(token.slot), self._module.closing(token.open()) as session:
                found += certificates_on(token, session)
        return found

    def _sign(self, order: _Order) -> bytes:
        self._module.add_user(self)
        certificate = order.certificate
        if self._token_label not in (None, certificate.token_label):
            raise CertificateNotFoundError(f"the certificate is not of the card {self._token_label!r}")
        for token in self._module.tokens(certificate.token_label):
            with self._module.guarding(token.slot), self._module.closing(token.open()) as session:
                if holds_certificate(session, certificate):
                    return self._sign_on(token, session, order)
        raise CertificateNotFoundError(f"the certificate is not on the card {certificate.token_label!r}")

    def _sign_on(self, token: pkcs11.Token, session: pkcs11.Session, order: _Order) -> bytes:
        """Sign on the token that holds the certificate; `session` is not logged in."""
        key_id = order.certificate.key_id
        visible = signing_key(session, key_id)
        if not key_id or (visible is None and not may_hide_key(token.flags, order.certificate.der)):
            raise KeyNotFoundError("the card has no private key for the certificate")
        if _MECHANISMS[order.mechanism] not in token.slot.get_mechanisms():
            raise MechanismUnsupportedError(f"the card does not sign by {order.mechanism}")
        login = TokenFlag.LOGIN_REQUIRED in token.flags
        if visible is not None and not login and not always_authenticates(visible):
            return order.sign(visible, pin=None)
        if TokenFlag.USER_PIN_LOCKED in token.flags:
            raise PinBlockedError("the PIN is blocked")
        pinpad = TokenFlag.PROTECTED_AUTHENTICATION_PATH in token.flags
        pin = "" if pinpad else _asked_pin(token, order)
        try:
            if token.slot.get_token().serial != token.serial:
                raise CardRemovedError("another card is in the reader than the one that the PIN was asked for")
            with (
                self._module.closing(token.open(user_pin=PROTECTED_AUTH if pinpad else pin))
                if login
                else nullcontext(session)
            ) as ready:
                key = signing_key(ready, key_id)
                if key is None:
                    raise KeyNotFoundError("the card has no private key for the certificate that may sign")
                return order.sign(key, pin=pin if always_authenticates(key) else None)
        finally:
            del pin


def _asked_pin(token: pkcs11.Token, order: _Order) -> str:
    pin = order.prompt(_question(token, order.certificate))
    given, possible = bool(pin), pin is not None and pin.isprintable()
    if pin and possible and not order.abandoned.is_set():
        return pin
    del pin
    if given and not possible:
        raise PinIncorrectError("no PIN has such characters", attempts_left=attempts_left(token.flags))
    raise PinCancelledError("the signer did not give the PIN, or the signature was given up meanwhile")


def _question(token: pkcs11.Token, certificate: CardCertificate) -> str:
    names = (token.label, holder(certificate.der), certificate.label)
    card, person, label = ("".join(c if c.isprintable() else "?" for c in name) for name in names)
    question = f'PIN of the card "{card}" to sign once as "{person}" with the certificate "{label}"'
    match attempts_left(token.flags):
        case "last":
            return f"{question} (last attempt before the card blocks)"
        case "few":
            return f"{question} (a wrong PIN was given before)"
        case "unknown":
            return question
