"""Where the gateway's tokens come from: its own authority where it has one, or the configured one elsewhere.

Both ways end in the same strict verification, without which no token is delivered.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from cryptography import x509

from fts.composition import compose
from fts.configuration import Configuration
from fts.problems import ProblemError
from fts.tsa.composition import ComposedAuthority, composed
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.decision import FailInfo, Issued
from timestamping.authority.ports import Caller
from timestamping.clock import Clock
from timestamping.findings import Severity
from timestamping.ports import TimestampSource
from timestamping.request import TimestampRequest
from timestamping.verify import Report, verify

_CALLERS_FAULT: Final = (
    FailInfo.BAD_ALG,
    FailInfo.BAD_REQUEST,
    FailInfo.BAD_DATA_FORMAT,
    FailInfo.UNACCEPTED_POLICY,
    FailInfo.UNACCEPTED_EXTENSION,
)


@dataclass(frozen=True, slots=True)
class Stamped:
    """A verified token."""

    token: bytes
    """DER of the ContentInfo."""
    report: Report
    authority: str
    """Who gave it."""


class Stamper(Protocol):
    """Makes tokens."""

    async def stamp(self, request: TimestampRequest, caller: Caller) -> Stamped:
        """Return a verified token for a request.

        Raises:
            ProblemError: TIMESTAMP_REFUSED, with the failInfo; TIMESTAMP_SUSPENDED, the authority cannot issue now;
                TIMESTAMP_OPTION_REFUSED; TIMESTAMP_INVALID, the token did not pass.
            TimestampError: an authority elsewhere did not give one.
        """


class OwnAuthority:
    """The authority that is mounted here."""

    def __init__(self, authority: ComposedAuthority, anchors: Sequence[x509.Certificate], clock: Clock) -> None:
        self.composed = authority
        unit = authority.unit
        # tokens of our own unit rest on its own chain; whether the world trusts it is for the trusted list
        self._anchors = (*anchors, (unit.certificate, *unit.chain)[-1])
        self._known = (unit.certificate, *unit.chain)
        self._clock = clock
        self._name = unit.certificate.subject.rfc4514_string()

    async def stamp(self, request: TimestampRequest, caller: Caller) -> Stamped:
        """Have a token decided on, recorded and verified (see `Stamper`)."""
        issued = await self.composed.authority.issue(request, caller)
        if issued.token is None:
            raise _problem(issued)
        report = await _passed(issued.token, request, self._anchors, self._known, self._clock, self._name)
        return Stamped(issued.token, report, self._name)


class OutsideAuthority:
    """The configured authority elsewhere, asked like by the signing line."""

    def __init__(self, source: TimestampSource, anchors: Sequence[x509.Certificate], clock: Clock) -> None:
        self._source = source
        self._anchors = tuple(anchors)
        self._clock = clock

    async def stamp(self, request: TimestampRequest, caller: Caller) -> Stamped:
        """Fetch and verify a token; `caller` stays here (see `Stamper`)."""
        if request.nonce is not None or request.policy is not None or not request.cert_req:
            detail = "nonce, policy and certificates can be chosen only where the gateway has an authority of its own"
            raise ProblemError("TIMESTAMP_OPTION_REFUSED", detail)
        try:
            algorithm = DigestAlgorithm.from_oid(request.algorithm_oid)
        except ValueError as error:
            raise ProblemError("TIMESTAMP_REFUSED", str(error), fail_info=FailInfo.BAD_ALG.rfc_name) from error
        if len(request.imprint) != algorithm.size:
            fail_info = FailInfo.BAD_DATA_FORMAT.rfc_name
            raise ProblemError("TIMESTAMP_REFUSED", "the hash's length is not its algorithm's", fail_info=fail_info)
        token = await self._source.timestamp(request.imprint, algorithm)
        name = token.tsu_certificate.subject.rfc4514_string()
        report = await _passed(token.der, None, self._anchors, (), self._clock, name)  # the client compared its nonce
        if (report.imprint_algorithm, report.imprint) != (request.algorithm_oid, request.imprint):
            raise ProblemError("TIMESTAMP_INVALID", f"{name} answered for another hash", party=name)
        return Stamped(token.der, report, name)


@asynccontextmanager
async def stamping(configuration: Configuration, clock: Clock) -> AsyncIterator["Stampers"]:
    """Give the stamper of a process, and close what it holds at the end."""
    async with AsyncExitStack() as stack:
        own = None
        if configuration.timestamping is not None:
            own = await stack.enter_async_context(composed(configuration.timestamping))
        yield Stampers(configuration, clock, own, stack)


class Stampers:
    """The stamper of a process, made at its first use."""

    def __init__(
        self, configuration: Configuration, clock: Clock, own: ComposedAuthority | None, stack: AsyncExitStack
    ) -> None:
        self.own = own
        self._configuration = configuration
        self._clock = clock
        self._stack = stack
        self._made: Stamper | None = None
        self._lock = asyncio.Lock()

    async def stamper(self) -> Stamper:
        """Return the stamper."""
        async with self._lock:
            if self._made is None:
                settings = self._configuration.engine_settings()
                if self.own is not None:
                    self._made = OwnAuthority(self.own, settings.anchors, self._clock)
                else:
                    composition = await self._stack.enter_async_context(compose(settings, clock=self._clock))
                    self._made = OutsideAuthority(composition.timestamps, settings.anchors, self._clock)
            return self._made


def _problem(issued: Issued) -> ProblemError:
    fail_info = FailInfo.SYSTEM_FAILURE if issued.fail_info is None else issued.fail_info
    code = "TIMESTAMP_REFUSED" if fail_info in _CALLERS_FAULT else "TIMESTAMP_SUSPENDED"
    return ProblemError(code, issued.text, fail_info=fail_info.rfc_name)


async def _passed(
    token: bytes,
    request: TimestampRequest | None,
    anchors: Sequence[x509.Certificate],
    untrusted: Sequence[x509.Certificate],
    clock: Clock,
    name: str,
) -> Report:
    """Verify a token off the loop, which has others to serve."""
    work = partial(verify, token, clock=clock, request=request, anchors=anchors, untrusted=untrusted)
    report = await asyncio.to_thread(work)
    if not report.valid:
        faults = "; ".join(f.message for f in report.findings if f.severity is Severity.INVALID)
        raise ProblemError("TIMESTAMP_INVALID", f"the token did not pass the verification: {faults}", party=name)
    return report
