"""From PKCS#11 return values to the card's errors (PKCS #11 v2.40, clause 5.1)."""

import re
from typing import Final

from pkcs11 import Slot, TokenFlag, exceptions
from pkcs11.exceptions import PKCS11Error

from signing.eid.ports import (
    AttemptsLeft,
    CardError,
    CardFailureError,
    CardRemovedError,
    MechanismUnsupportedError,
    PinBlockedError,
    PinCancelledError,
    PinIncorrectError,
)

_SPELLED_OTHERWISE: Final[dict[type[PKCS11Error], str]] = {
    exceptions.FunctionCancelled: "CKR_FUNCTION_CANCELED",
    exceptions.TokenNotRecognised: "CKR_TOKEN_NOT_RECOGNIZED",
    exceptions.AnotherUserAlreadyLoggedIn: "CKR_USER_ANOTHER_ALREADY_LOGGED_IN",
}


def return_value(error: PKCS11Error) -> str:
    """Return the name of the return value behind `error`, its number where the library has no name for it."""
    kind = type(error)
    if kind is PKCS11Error:
        number = re.search(r"0x[0-9a-f]+", str(error))
        return f"CKR {number[0]}" if number else str(error)
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__)
    return _SPELLED_OTHERWISE.get(kind, f"CKR_{words.upper()}")


def card_error(error: PKCS11Error, slot: Slot) -> CardError:
    """Return what `error`, met in work on `slot`, means for the signer.

    The token is asked again: for its PIN flags after a refused PIN, and whether it is there at all after an
    error that a module may report for a card pulled out (CKR_DEVICE_ERROR, CKR_GENERAL_ERROR and others).
    """
    name = return_value(error)
    match error:
        case exceptions.PinLocked():
            return PinBlockedError("the PIN is blocked")
        case exceptions.PinIncorrect() | exceptions.PinInvalid() | exceptions.PinLenRange():
            return _refused_pin(slot, name)
        case exceptions.FunctionCancelled() | exceptions.FunctionRejected():
            return PinCancelledError(f"the signer did not give the PIN ({name})")
        case (
            exceptions.MechanismInvalid()
            | exceptions.MechanismParamInvalid()
            | exceptions.FunctionNotSupported()
            | exceptions.KeyTypeInconsistent()
            | exceptions.KeySizeRange()
        ):
            return MechanismUnsupportedError(f"the card does not make this kind of signature ({name})")
        case (
            exceptions.DeviceRemoved()
            | exceptions.TokenNotPresent()
            | exceptions.SessionHandleInvalid()
            | exceptions.SessionClosed()
        ):
            return CardRemovedError(f"the card was removed ({name})")
    if _flags(slot) is None:
        return CardRemovedError(f"the card cannot be read any more ({name})")
    return CardFailureError(f"the card failed ({name})", return_value=name)


def attempts_left(flags: TokenFlag) -> AttemptsLeft:
    """Return what CKF_USER_PIN_FINAL_TRY and CKF_USER_PIN_COUNT_LOW tell."""
    if TokenFlag.USER_PIN_FINAL_TRY in flags:
        return "last"
    return "few" if TokenFlag.USER_PIN_COUNT_LOW in flags else "unknown"


def _refused_pin(slot: Slot, name: str) -> CardError:
    flags = _flags(slot) or TokenFlag(0)
    if TokenFlag.USER_PIN_LOCKED in flags:
        return PinBlockedError("the PIN was wrong and is now blocked")
    return PinIncorrectError(f"the card refused the PIN ({name})", attempts_left=attempts_left(flags))


def _flags(slot: Slot) -> TokenFlag | None:
    """Return the present flags of the token in `slot`, None where there is none to be read."""
    try:
        return slot.get_token().flags
    except PKCS11Error:
        return None
