"""Why the unit's key in a token cannot be used."""


class TokenKeyError(OSError):
    """The key in the token cannot be used; the authority answers `systemFailure`.

    `code` is stable; the message names the module, the token or the key.
    """

    code = "TSA_TOKEN_KEY"
    remedy = "Check the module's path, the token's and key's labels, the PIN, and that the token is plugged in."


class PinRefusedError(TokenKeyError):
    """The token does not take the PIN. It is not tried again: a token locks after a few wrong ones."""

    code = "TSA_TOKEN_PIN"
    remedy = "Correct the PIN before the next start: the token locks after a few wrong ones."
