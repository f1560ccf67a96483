"""The two ways to a verified token: the authority that is mounted here, or the configured one elsewhere.

What this module needs is loaded by a process that makes tokens, and by no other.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from cryptography import x509

from fts.problems import ProblemError
from fts.timestamps.stamper import Stamped
from fts.tsa.composition import ComposedAuthority
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
