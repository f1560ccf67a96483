"""Timestamps on the wire (FTS-TS-3): hashes in, tokens out."""

import base64
import binascii
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from fts.documents.schemas import ProblemView, Time
from fts.timestamps.stamper import Stamped
from timestamping.algorithms import DigestAlgorithm
from timestamping.request import TimestampRequest

MOST_ITEMS: Final = 100
"""Hashes in one batch."""

_ALGORITHMS: Final = {
    "sha-256": DigestAlgorithm.SHA256.oid,
    "sha-384": DigestAlgorithm.SHA384.oid,
    "sha-512": DigestAlgorithm.SHA512.oid,
    "sha-1": "1.3.14.3.2.26",
    "sha-224": "2.16.840.1.101.3.4.2.4",
    "md5": "1.2.840.113549.2.5",
}
"""Identifiers by name (RFC 5754); the authority decides which it takes."""
_NAMES: Final = {oid: name for name, oid in _ALGORITHMS.items()}

_EXAMPLE: Final[dict[str, Any]] = {
    "hash": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
    "hash_algorithm": "sha-256",
}


class TimestampOrder(BaseModel):
    """A hash that is to be timestamped."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    hash: Annotated[str, StringConstraints(min_length=4, max_length=128, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
    """The hash itself in base64, made by the caller: the data stays there."""
    hash_algorithm: Literal["sha-256", "sha-384", "sha-512", "sha-1", "sha-224", "md5"]
    """How it was made; the last three are known and refused (badAlg)."""
    nonce: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[0-9a-fA-F]+$")] | None = None
    """A number in hexadecimal that the token repeats."""
    policy: Annotated[str, StringConstraints(max_length=128, pattern=r"^[0-2](\.(0|[1-9]\d*)){1,31}$")] | None = None
    """Identifier of the policy; the default one where it is left out."""
    certificates: Annotated[bool, Field(strict=True)] = True
    """Whether the token carries the authority's certificates."""

    @field_validator("hash")
    @classmethod
    def _base64(cls, value: str) -> str:
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise ValueError("is no base64") from error
        return value

    @field_validator("policy")
    @classmethod
    def _second_arc(cls, value: str | None) -> str | None:
        if value is not None:
            first, second, *_ = value.split(".")
            if first != "2" and int(second) > 39:
                raise ValueError("is no object identifier: the second number is at most 39 here")
        return value

    def request(self) -> TimestampRequest:
        """Return the query that RFC 3161 has for it."""
        return TimestampRequest(
            version=1,
            algorithm_oid=_ALGORITHMS[self.hash_algorithm],
            imprint=base64.b64decode(self.hash),
            policy=self.policy,
            nonce=None if self.nonce is None else int(self.nonce, 16),
            cert_req=self.certificates,
            has_extensions=False,
        )


class BatchOrder(BaseModel):
    """Hashes that are to be timestamped, each by a token of its own."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_EXAMPLE]}]})

    items: Annotated[list[TimestampOrder], Field(min_length=1, max_length=MOST_ITEMS)]


class TimestampView(BaseModel):
    """A timestamp."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "token": "MIIF…",
                    **_EXAMPLE,
                    "gen_time": "2026-11-24T08:00:00.000Z",
                    "accuracy_seconds": 1.0,
                    "serial_number": "5c0b7c2f9a41d6e8b3f0127795acd3e84d1f6a02",
                    "policy": "1.3.6.1.4.1.32473.1",
                    "authority": "CN=Timestamping unit 1,O=Example,C=BE",
                }
            ]
        }
    )

    token: str
    """The RFC 3161 token (DER of a CMS ContentInfo) in base64: what a `.tst` file holds."""
    hash: str
    hash_algorithm: str
    gen_time: Time
    """The time that the token states."""
    accuracy_seconds: float | None
    serial_number: str
    """In hexadecimal."""
    policy: str
    authority: str
    """Subject of the certificate of the unit that signed."""

    @classmethod
    def of(cls, stamped: Stamped) -> Self:
        """Return the view of a token."""
        report = stamped.report
        parts = (report.gen_time, report.serial_number, report.policy, report.imprint, report.imprint_algorithm)
        moment, serial, policy, imprint, algorithm = parts
        # a token that was verified has all of them
        assert moment is not None and serial is not None and policy is not None  # noqa: S101, PT018
        assert imprint is not None and algorithm is not None  # noqa: S101, PT018
        return cls(
            token=base64.b64encode(stamped.token).decode(),
            hash=base64.b64encode(imprint).decode(),
            hash_algorithm=_NAMES[algorithm],
            gen_time=moment,
            accuracy_seconds=None if report.accuracy is None else report.accuracy.total_seconds(),
            serial_number=f"{serial:x}",
            policy=policy,
            authority=stamped.authority,
        )


class RefusedView(ProblemView):
    """Why an item of a batch got no timestamp."""

    fail_info: str | None = None
    """The failInfo of RFC 3161, where an authority decided."""
    retry_after: int | None = None
    """Seconds to wait, where more than the agreed capacity was asked for."""


class ItemView(BaseModel):
    """What became of one item: a timestamp, or a problem."""

    timestamp: TimestampView | None = None
    problem: RefusedView | None = None


class BatchView(BaseModel):
    """What became of the items, in their order."""

    results: list[ItemView]
