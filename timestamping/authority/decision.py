"""One decision: a token, or the reason why there is none, and its record (RFC 3161, clauses 2.4.1 and 2.4.2)."""

import logging
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.factory import Made, TokenFactory
from timestamping.authority.policies import Accuracy, Policies
from timestamping.authority.ports import Caller, ClockSnapshot, Decision, TimeNotAvailableError, TrustedClock
from timestamping.authority.unit import TimestampingUnit
from timestamping.clock import Clock
from timestamping.ports import TimestampError
from timestamping.request import TimestampRequest, parse_request
from timestamping.token import parse_reply

MAX_NONCE_BITS = 256
GRANTED = der.sequence(der.integer(0))
"""PKIStatusInfo of an answer with a token."""
SECOND = Accuracy(seconds=1)
_log = logging.getLogger(__name__)


class FailInfo(IntEnum):
    """PKIFailureInfo: the number is the bit."""

    BAD_ALG = 0
    BAD_REQUEST = 2
    BAD_DATA_FORMAT = 5
    TIME_NOT_AVAILABLE = 14
    UNACCEPTED_POLICY = 15
    UNACCEPTED_EXTENSION = 16
    SYSTEM_FAILURE = 25

    @property
    def rfc_name(self) -> str:
        """As RFC 3161 writes it: `badAlg`."""
        first, *rest = self.name.split("_")
        return first.lower() + "".join(word.capitalize() for word in rest)


class Issued(NamedTuple):
    """What became of a request: a token and its fields, or `fail_info` and nothing else."""

    token: bytes | None = None
    """The token, as ContentInfo."""
    serial_number: int | None = None
    gen_time: datetime | None = None
    """As the token has it: whole seconds, or milliseconds."""
    policy: str | None = None
    accuracy: Accuracy | None = None
    fail_info: FailInfo | None = None
    text: str = ""
    """Why it was refused, for people."""


class _Outcome(NamedTuple):
    issued: Issued
    snapshot: ClockSnapshot | None = None
    signing_seconds: float | None = None


class Query(NamedTuple):
    """A query that waits for its decision."""

    asked: bytes | TimestampRequest
    """A TimeStampReq in DER, not read yet; or a request that came in another form."""
    octets: int
    """Its size as it came."""
    caller: Caller
    received_at: datetime


class Decider:
    """Decides on queries, one after the other, for one unit."""

    def __init__(
        self,
        unit: TimestampingUnit,
        clock: Clock | TrustedClock,
        *,
        policies: Policies,
        accuracy: Accuracy,
        qualified: bool,
        milliseconds: bool,
        self_check: bool,
        wall_clock: Clock,
    ) -> None:
        """Prepare the parts of a token that do not change; the arguments are those of `Authority`.

        Raises:
            ValueError: genTime is coarser than the accuracy that the tokens state (EN 319 422).
        """
        if accuracy.total_seconds < (0.001 if milliseconds else 1.0):
            raise ValueError("an accuracy below one second needs a genTime in milliseconds, and none below one of them")
        self._unit = unit
        self._clock = clock
        self._accuracy = accuracy
        self._milliseconds = milliseconds
        self._self_check = self_check
        self._wall_clock = wall_clock
        self._default_policy = policies.default
        self._factories = {
            policy: TokenFactory(
                unit.key,
                unit.certificate,
                unit.chain,
                policy=policy,
                digest=unit.digest,
                accuracy=accuracy,
                qualified=qualified,
                milliseconds=milliseconds,
            )
            for policy in policies.served
        }

    def decide(self, query: Query) -> tuple[Issued, Decision]:
        """Return what became of a query, whatever it holds, and the record of it."""
        request = query.asked if isinstance(query.asked, TimestampRequest) else _read(query.asked)
        try:
            outcome = self._outcome(request)
        except Exception:  # noqa: BLE001 - the border: whatever went wrong inside, a refusal is recorded and sent
            _log.exception("A query could not be decided, so that no token leaves")
            outcome = _Outcome(refused(FailInfo.SYSTEM_FAILURE, "the authority failed"), self._snapshot())
        return outcome.issued, self._decision(query, request, outcome)

    def _outcome(self, request: TimestampRequest | None) -> _Outcome:
        if request is None:
            return _Outcome(refused(FailInfo.BAD_DATA_FORMAT, "the query is no DER-encoded TimeStampReq"))
        refusal = self._refusal(request)
        if refusal is not None:
            return _Outcome(refusal)
        try:
            now = self._clock()
        except TimeNotAvailableError:
            text = "the authority's time source is not available"
            return _Outcome(refused(FailInfo.TIME_NOT_AVAILABLE, text), self._snapshot())
        snapshot = self._snapshot()
        if not self._unit.not_before <= now <= self._unit.not_after:
            text = "the authority's certificate or key is not valid now"
            return _Outcome(refused(FailInfo.SYSTEM_FAILURE, text), snapshot)
        policy = request.policy or self._default_policy
        try:
            made = self._factories[policy].make(request, DigestAlgorithm.from_oid(request.algorithm_oid), now)
        except OSError as error:
            _log.error("The timestamping unit's key cannot be used: %s", error)
            return _Outcome(refused(FailInfo.SYSTEM_FAILURE, "the authority's key cannot be used"), snapshot)
        if self._self_check and not self._passes(made, request):
            return _Outcome(refused(FailInfo.SYSTEM_FAILURE, "the authority's own check failed"), snapshot)
        micros = now.microsecond // 1000 * 1000 if self._milliseconds else 0
        issued = Issued(made.der, made.serial_number, now.replace(microsecond=micros), policy, self._accuracy)
        return _Outcome(issued, snapshot, made.signing_seconds)

    def _snapshot(self) -> ClockSnapshot | None:
        """Return what is known of the clock, after it was asked: a clock that was set says so only then."""
        return getattr(self._clock, "snapshot", None)

    def _refusal(self, request: TimestampRequest) -> Issued | None:
        if request.version != 1:
            return refused(FailInfo.BAD_REQUEST, "the version is not 1")
        try:
            algorithm = DigestAlgorithm.from_oid(request.algorithm_oid)
        except ValueError:
            return refused(FailInfo.BAD_ALG, "use SHA-256, SHA-384 or SHA-512")
        if len(request.imprint) != algorithm.size:
            return refused(FailInfo.BAD_DATA_FORMAT, "the imprint's length is not its algorithm's")
        if request.policy is not None and request.policy not in self._factories:
            return refused(FailInfo.UNACCEPTED_POLICY, "this policy is not served")
        if request.has_extensions:
            return refused(FailInfo.UNACCEPTED_EXTENSION, "no extension is served")
        if request.nonce is not None and request.nonce.bit_length() > MAX_NONCE_BITS:
            return refused(FailInfo.BAD_REQUEST, "the nonce is longer than 256 bits")
        return None

    def _passes(self, made: Made, request: TimestampRequest) -> bool:
        """A token without certificates cannot be read by itself: of it, the signature is checked alone."""
        if not self._unit.verifies(made.signature, made.signed_attributes):
            _log.error("A signature did not pass the authority's own check.")
            return False
        if not request.cert_req:
            return True
        try:
            parse_reply(der.sequence(GRANTED, made.der), request, party="this authority")
        except TimestampError as error:
            _log.error("A token did not pass the authority's own check: %s", error)
            return False
        return True

    def _decision(self, query: Query, request: TimestampRequest | None, outcome: _Outcome) -> Decision:
        issued = outcome.issued
        return Decision(
            received_at=query.received_at,
            decided_at=self._wall_clock(),
            caller=query.caller,
            query_octets=query.octets,
            imprint_algorithm=None if request is None else request.algorithm_oid,
            imprint=None if request is None else request.imprint,
            policy_asked=None if request is None else request.policy,
            nonce=None if request is None else request.nonce,
            certificates_asked=None if request is None else request.cert_req,
            extensions_asked=None if request is None else request.has_extensions,
            fail_info=None if issued.fail_info is None else issued.fail_info.rfc_name,
            serial_number=issued.serial_number,
            gen_time=issued.gen_time,
            policy=issued.policy,
            unit=self._unit.fingerprint,
            snapshot=outcome.snapshot,
            signing_seconds=outcome.signing_seconds,
            token_sha256=None if issued.token is None else DigestAlgorithm.SHA256.digest(issued.token),
        )


def _read(query: bytes) -> TimestampRequest | None:
    try:
        return parse_request(query)
    except ValueError:
        return None
    except Exception:  # noqa: BLE001 - the border: what the parser does not foresee is a query that cannot be read
        _log.exception("A query ended the parser")
        return None


def refused(reason: FailInfo, text: str) -> Issued:
    """Refuse."""
    return Issued(fail_info=reason, text=text)


def rejection(reason: FailInfo, text: str) -> bytes:
    """Encode a TimeStampResp with status rejection and no token."""
    octets, bit = divmod(int(reason), 8)
    bits = bytes(octets) + bytes((0x80 >> bit,))
    fail_info = der.tlv(0x03, bytes((7 - bit,)) + bits)
    return der.sequence(der.sequence(der.integer(2), der.sequence(der.tlv(0x0C, text.encode())), fail_info))
