"""Judging the timestamps over a checkpoint (RFC 3161; their row after RFC 4998, 5.2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from fts.audit.checkpoints import Checkpoint, imprint
from signing.trust.path import TrustAnchors
from timestamping.algorithms import DigestAlgorithm
from timestamping.token import parse_token

SKEW: Final = timedelta(minutes=1)
"""Between our clock and an authority's."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What the row of tokens over a checkpoint shows."""

    at: datetime | None = None
    """Time of the newest token; None where there is none."""
    roots: frozenset[x509.Certificate] = frozenset()
    """Where the paths of the tokens end."""


def proven(point: Checkpoint, tokens: Iterable[tuple[bytes | None, str, bytes]], anchors: TrustAnchors) -> Proven:
    """Verify the tokens of a checkpoint, oldest first; each covers the digest and the tokens before it.

    Args:
        point: the checkpoint, whose digest was compared.
        tokens: what each is said to cover, where that is kept beside it, its algorithm and its DER.
        anchors: roots of the timestamping authorities, also of those that are out of use.

    Raises:
        PathError: no path from a token to a root at the token's time.
        TimestampError: a token is not valid.
        ValueError: a token is over something else, or older than what it covers.
    """
    earlier, roots, after, newest = list[bytes](), set[x509.Certificate](), point.at - SKEW, None
    for covers, algorithm, der in tokens:
        token = parse_token(der)
        expected = imprint(point.digest, earlier, DigestAlgorithm(algorithm))
        if token.imprint != expected or covers not in (None, expected):
            raise ValueError("it is over something else")
        if token.gen_time < after:
            raise ValueError("it is older than what it covers")
        path = anchors.path(token.tsu_certificate, token.certificates, token.gen_time)
        roots.add(path.certificates[-1])
        earlier.append(der)
        newest = after = token.gen_time
    return Proven(newest, frozenset(roots))
