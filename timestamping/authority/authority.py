"""The decision on each query: a token, or a rejection that says why (RFC 3161, clauses 2.4.1 and 2.4.2)."""

import logging
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.factory import Made, TokenFactory
from timestamping.authority.policies import Accuracy, Policies
from timestamping.authority.ports import (
    Caller,
    ClockSnapshot,
    Decision,
    DecisionLog,
    RecordFailedError,
    TimeNotAvailableError,
    TrustedClock,
)
from timestamping.authority.unit import TimestampingUnit
from timestamping.clock import Clock, utc_now
from timestamping.ports import TimestampError
from timestamping.request import TimestampRequest, parse_request
from timestamping.token import parse_reply

MAX_NONCE_BITS = 256
_GRANTED = der.sequence(der.integer(0))
_SECOND = Accuracy(seconds=1)
_SOMEBODY = Caller()
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


@dataclass(frozen=True, slots=True)
class Issued:
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


@dataclass(frozen=True, slots=True)
class _Outcome:
    issued: Issued
    snapshot: ClockSnapshot | None = None
    signing_seconds: float | None = None


class Authority:
    """A timestamping authority with one unit."""

    def __init__(
        self,
        unit: TimestampingUnit,
        clock: Clock | TrustedClock,
        *,
        policies: Policies,
        accuracy: Accuracy = _SECOND,
        qualified: bool = False,
        milliseconds: bool = False,
        log: DecisionLog | None = None,
        self_check: bool = False,
        wall_clock: Clock = utc_now,
    ) -> None:
        """Prepare the parts of a token that do not change.

        Args:
            unit: who signs.
            clock: where genTime comes from.
            policies: those served.
            accuracy: stated in every token.
            qualified: whether every token states that it is a qualified one (EN 319 422, clause 9).
            milliseconds: give genTime to the millisecond in place of the second.
            log: where each decision is recorded before its answer leaves; without one nothing is recorded.
            self_check: read and verify each token, with the client's code, before it leaves.
            wall_clock: the times in the record; unlike `clock`, it never refuses.

        Raises:
            ValueError: genTime is coarser than the accuracy that the tokens state (EN 319 422).
        """
        if accuracy.total_seconds < (0.001 if milliseconds else 1.0):
            raise ValueError("an accuracy below one second needs a genTime in milliseconds, and none below one of them")
        self.unit = unit
        self.policies = policies
        self._clock = clock
        self._accuracy = accuracy
        self._milliseconds = milliseconds
        self._log = log
        self._self_check = self_check
        self._wall_clock = wall_clock
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

    def check(self) -> None:
        """Check that the unit may sign now; without a trusted time that is left to each query.

        Raises:
            UnitUnfitError: it may not.
        """
        try:
            now = self._clock()
        except TimeNotAvailableError:
            return
        self.unit.check(now)

    async def reply(self, query: bytes, caller: Caller = _SOMEBODY) -> bytes:
        """Answer a DER query with a DER TimeStampResp, whatever the query holds."""
        received_at = self._wall_clock()
        try:
            request = parse_request(query)
        except ValueError:
            request = None
        issued = await self._decide(request, caller, len(query), received_at)
        if issued.token is None:
            reason = FailInfo.SYSTEM_FAILURE if issued.fail_info is None else issued.fail_info
            return rejection(reason, issued.text)
        return der.sequence(_GRANTED, issued.token)

    async def issue(self, request: TimestampRequest, caller: Caller = _SOMEBODY, *, query_octets: int = 0) -> Issued:
        """Decide on a request that came in another form than DER; `query_octets` is its size there, for the record."""
        return await self._decide(request, caller, query_octets, self._wall_clock())

    async def _decide(
        self, request: TimestampRequest | None, caller: Caller, query_octets: int, received_at: datetime
    ) -> Issued:
        try:
            outcome = self._outcome(request)
        except Exception:  # noqa: BLE001 - the border: whatever went wrong inside, a refusal is recorded and sent
            _log.exception("A query could not be decided, so that no token leaves")
            outcome = _Outcome(_refused(FailInfo.SYSTEM_FAILURE, "the authority failed"))
        if self._log is None:
            return outcome.issued
        try:
            await self._log.append([self._decision(request, outcome, caller, query_octets, received_at)])
        except Exception as error:  # noqa: BLE001 - without a record nothing leaves, whatever the reason
            known = isinstance(error, RecordFailedError)
            _log.error("A decision could not be recorded, so that no token leaves: %s", error, exc_info=not known)
            return _refused(FailInfo.SYSTEM_FAILURE, "the authority cannot record its decision")
        return outcome.issued

    def _outcome(self, request: TimestampRequest | None) -> _Outcome:
        if request is None:
            return _Outcome(_refused(FailInfo.BAD_DATA_FORMAT, "the query is no DER-encoded TimeStampReq"))
        refused = self._refusal(request)
        if refused is not None:
            return _Outcome(refused)
        snapshot: ClockSnapshot | None = getattr(self._clock, "snapshot", None)
        try:
            now = self._clock()
        except TimeNotAvailableError:
            text = "the authority's time source is not available"
            return _Outcome(_refused(FailInfo.TIME_NOT_AVAILABLE, text), snapshot)
        if not self.unit.not_before <= now <= self.unit.not_after:
            text = "the authority's certificate or key is not valid now"
            return _Outcome(_refused(FailInfo.SYSTEM_FAILURE, text), snapshot)
        policy = request.policy or self.policies.default
        try:
            made = self._factories[policy].make(request, DigestAlgorithm.from_oid(request.algorithm_oid), now)
        except OSError as error:
            _log.error("The timestamping unit's key cannot be used: %s", error)
            return _Outcome(_refused(FailInfo.SYSTEM_FAILURE, "the authority's key cannot be used"), snapshot)
        if self._self_check and not self._passes(made, request):
            return _Outcome(_refused(FailInfo.SYSTEM_FAILURE, "the authority's own check failed"), snapshot)
        micros = now.microsecond // 1000 * 1000 if self._milliseconds else 0
        issued = Issued(made.der, made.serial_number, now.replace(microsecond=micros), policy, self._accuracy)
        return _Outcome(issued, snapshot, made.signing_seconds)

    def _refusal(self, request: TimestampRequest) -> Issued | None:
        if request.version != 1:
            return _refused(FailInfo.BAD_REQUEST, "the version is not 1")
        try:
            algorithm = DigestAlgorithm.from_oid(request.algorithm_oid)
        except ValueError:
            return _refused(FailInfo.BAD_ALG, "use SHA-256, SHA-384 or SHA-512")
        if len(request.imprint) != algorithm.size:
            return _refused(FailInfo.BAD_DATA_FORMAT, "the imprint's length is not its algorithm's")
        if request.policy is not None and request.policy not in self._factories:
            return _refused(FailInfo.UNACCEPTED_POLICY, "this policy is not served")
        if request.has_extensions:
            return _refused(FailInfo.UNACCEPTED_EXTENSION, "no extension is served")
        if request.nonce is not None and request.nonce.bit_length() > MAX_NONCE_BITS:
            return _refused(FailInfo.BAD_REQUEST, "the nonce is longer than 256 bits")
        return None

    def _passes(self, made: Made, request: TimestampRequest) -> bool:
        """A token without certificates cannot be read by itself: of it, the signature is checked alone."""
        if not self.unit.verifies(made.signature, made.signed_attributes):
            _log.error("A signature did not pass the authority's own check.")
            return False
        if not request.cert_req:
            return True
        try:
            parse_reply(der.sequence(_GRANTED, made.der), request, party="this authority")
        except TimestampError as error:
            _log.error("A token did not pass the authority's own check: %s", error)
            return False
        return True

    def _decision(
        self,
        request: TimestampRequest | None,
        outcome: _Outcome,
        caller: Caller,
        query_octets: int,
        received_at: datetime,
    ) -> Decision:
        issued = outcome.issued
        return Decision(
            received_at=received_at,
            decided_at=self._wall_clock(),
            caller=caller,
            query_octets=query_octets,
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
            unit=self.unit.fingerprint,
            snapshot=outcome.snapshot,
            signing_seconds=outcome.signing_seconds,
            token_sha256=None if issued.token is None else DigestAlgorithm.SHA256.digest(issued.token),
        )


def _refused(reason: FailInfo, text: str) -> Issued:
    return Issued(fail_info=reason, text=text)


def rejection(reason: FailInfo, text: str) -> bytes:
    """Encode a TimeStampResp with status rejection and no token."""
    octets, bit = divmod(int(reason), 8)
    bits = bytes(octets) + bytes((0x80 >> bit,))
    fail_info = der.tlv(0x03, bytes((7 - bit,)) + bits)
    return der.sequence(der.sequence(der.integer(2), der.sequence(der.tlv(0x0C, text.encode())), fail_info))
