"""The unit's key in a PKCS#11 token (PKCS #11 v2.40): the authority's process is the signer, in its one thread."""

import logging
from threading import get_ident
from typing import Any

import pkcs11
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11.exceptions import PinExpired, PinIncorrect, PinInvalid, PinLocked, PKCS11Error, UserAlreadyLoggedIn

from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.factory import ECDSA_OIDS, RSA_PKCS1_OIDS
from timestamping.authority.key_errors import PinRefusedError, TokenKeyError

_log = logging.getLogger(__name__)


_PIN_REFUSED = (PinIncorrect, PinInvalid, PinExpired, PinLocked)


class Pkcs11TsuKey:
    """An RSA or EC key that never leaves its token.

    The token is opened by the first use, in the thread that uses it, and stays open; every use belongs to that thread,
    since the module is initialised for a program of one. After an error it is opened anew, once.
    """

    def __init__(
        self,
        module: str,
        token_label: str,
        key_label: str,
        pin: str,
        digest: DigestAlgorithm = DigestAlgorithm.SHA256,
    ) -> None:
        """Remember where the key is.

        Args:
            module: path of the PKCS#11 module.
            token_label: the token's label.
            key_label: the private key's label.
            pin: the user's PIN.
            digest: hash of what is signed, made here; the token signs the digest.
        """
        self._module = module
        self._token_label = token_label
        self._key_label = key_label
        self._pin = pin
        self._digest = digest
        self._digest_info = der.sequence(der.oid(digest.oid), der.NULL)
        self._thread: int | None = None
        self._failed = False
        self._refused: PinRefusedError | None = None
        self._session: Any = None
        self._key: Any = None

    @property
    def algorithm(self) -> bytes:
        """DER of the AlgorithmIdentifier of its signatures.

        Raises:
            TokenKeyError: the key cannot be opened.
        """
        if self._key is None:
            self._open()
        return self._algorithm

    def sign(self, data: bytes) -> bytes:
        """Hash and sign: RSASSA-PKCS1-v1_5, or ECDSA as `Ecdsa-Sig-Value`.

        Raises:
            TokenKeyError: the key cannot be used, also not by opening the token anew.
        """
        digest = self._digest.digest(data)
        if self._key is not None:
            self._check_thread()
            try:
                return self._sign(digest)
            except (PKCS11Error, RuntimeError) as error:
                _log.warning("The token %s failed and is opened anew: %r", self._token_label, error)
                self._failed = True
                self.close()
        self._open()
        try:
            return self._sign(digest)
        except (PKCS11Error, RuntimeError) as error:
            self.close()
            raise TokenKeyError(f"the token {self._token_label} does not sign: {error!r}") from error

    def close(self) -> None:
        """Close the session; the next use opens it again."""
        session, self._session, self._key = self._session, None, None
        if session is None:
            return
        try:
            session.close()
        except (PKCS11Error, RuntimeError) as error:
            _log.info("The session that failed could not be closed: %r", error)

    def _sign(self, digest: bytes) -> bytes:
        if self._is_rsa:
            info = der.sequence(self._digest_info, der.octet_string(digest))
            return bytes(self._key.sign(info, mechanism=pkcs11.Mechanism.RSA_PKCS))
        value = self._key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
        half = len(value) // 2
        return encode_dss_signature(int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big"))

    def _open(self) -> None:
        self._check_thread()
        if self._refused is not None:
            raise self._refused
        try:
            library = pkcs11.lib(self._module)
            if self._failed:
                # a module whose token went away may know of its return only after this
                library.reinitialize()
                self._failed = False
            token = library.get_token(token_label=self._token_label)
            try:
                self._session = token.open(user_pin=self._pin)
            except UserAlreadyLoggedIn:  # by another key of this process: a login counts for all of its sessions
                self._session = token.open()
            self._key = self._session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self._key_label)
            self._is_rsa = self._key.key_type == pkcs11.KeyType.RSA
        except (PKCS11Error, RuntimeError, OSError) as error:
            self.close()
            place = f"the key {self._key_label} in the token {self._token_label}"
            message = f"{place} cannot be opened by {self._module}: {error!r}"
            if isinstance(error, _PIN_REFUSED):
                self._refused = PinRefusedError(message)
                raise self._refused from error
            raise TokenKeyError(message) from error
        oids = RSA_PKCS1_OIDS if self._is_rsa else ECDSA_OIDS
        self._algorithm = der.sequence(der.oid(oids[self._digest]), der.NULL if self._is_rsa else b"")

    def _check_thread(self) -> None:
        if self._thread is None:
            self._thread = get_ident()
        if self._thread != get_ident():
            raise TokenKeyError("the token's key is used from another thread than the one that opened it")
