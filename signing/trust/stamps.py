"""Asking for a timestamp and knowing its authority, the same for every format."""

from signing.limits import LIMITS
from signing.trust.path import Path
from signing.trust.validation_data import ValidationDataEngine
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import Clock
from timestamping.ports import TimestampInvalidError, TimestampSource, Token


async def request_token(timestamps: TimestampSource, imprint: bytes, algorithm: DigestAlgorithm, clock: Clock) -> Token:
    """Return a token whose time agrees with our clock.

    Raises:
        TimestampError: there is none, or its time is off.
    """
    token = await timestamps.timestamp(imprint, algorithm)
    offset = token.gen_time - clock()
    if abs(offset) > LIMITS.clock_skew:
        stated = f"{token.gen_time:%Y-%m-%d %H:%M:%SZ}, {offset.total_seconds():.0f} s off our clock"
        raise TimestampInvalidError(f"{timestamps.name} states {stated}", party=timestamps.name)
    return token


def authority_path(engine: ValidationDataEngine, token: Token) -> Path:
    """Return the verified path of a token's TSU at the token's time (errors as `ValidationDataEngine.path`)."""
    return engine.path(token.tsu_certificate, token.certificates, token.gen_time)
