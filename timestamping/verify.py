"""Verifying a timestamp strictly: everything that is wrong with a token or reply, not only the first thing.

report = verify(reply, clock=utc_now, digests={DigestAlgorithm.SHA256: digest}, request=request, anchors=roots)
report.valid, [(finding.code, finding.severity, finding.clause, finding.message) for finding in report.findings]

Nothing is fetched. Revocation is judged by what the token carries and the caller gives; where that does not suffice,
the report says so. The path is judged at genTime: what expired since proves as before.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from asn1crypto import cms as asn1
from asn1crypto import tsp
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from timestamping import checks, cms, norms, strict_der
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import Clock
from timestamping.findings import Code, Finding, Severity
from timestamping.path import NoPathError, Path, PathNotValidError, find_path
from timestamping.request import TimestampRequest
from timestamping.revocation_values import RevocationValues, embedded_certificates, embedded_values
from timestamping.standing import Standing, Status, overall, standings
from timestamping.token import read_reply, reason

T = TypeVar("T")

CLOCK_SKEW = timedelta(seconds=60)
"""How far an authority's clock may run ahead of ours."""
_ERRORS = (*cms.READ_ERRORS, OverflowError, UnsupportedAlgorithm, x509.DuplicateExtension)
_LONGEST_MESSAGE = 300


@dataclass(slots=True)
class Report:
    """What a timestamp says and what is wrong with it. A part that could not be read is None."""

    verified_at: datetime
    findings: list[Finding] = field(default_factory=list)
    status: int | None = None
    """PKIStatus of a reply; None for a bare token."""
    gen_time: datetime | None = None
    accuracy: timedelta | None = None
    policy: str | None = None
    serial_number: int | None = None
    imprint_algorithm: str | None = None
    """Dotted identifier."""
    imprint: bytes | None = None
    nonce: int | None = None
    qualified_statement: bool | None = None
    """Whether the authority declares the timestamp a qualified one; the trusted list tells whether it may."""
    unit: x509.Certificate | None = None
    """The certificate that the signer is named by."""
    path: Path = ()
    """From the unit's certificate to an anchor; empty where there is none."""
    standings: tuple[Standing, ...] = ()
    """What is known about the revocation of each certificate of the path but the anchor."""

    @property
    def revocation(self) -> Status:
        """Whether a certificate behind the timestamp was revoked, as far as is known."""
        return overall(self.standings) if self.path else Status.UNKNOWN

    @property
    def valid(self) -> bool:
        """Whether the timestamp proves what was asked: nothing is found that makes it invalid."""
        return all(finding.severity is not Severity.INVALID for finding in self.findings)

    @property
    def conformant(self) -> bool:
        """Whether it is valid and keeps the standards, too."""
        return all(finding.severity is Severity.NOTE for finding in self.findings)

    @property
    def codes(self) -> frozenset[Code]:
        """The codes of all findings."""
        return frozenset(finding.code for finding in self.findings)


def verify(
    data: bytes,
    *,
    clock: Clock,
    digests: Mapping[DigestAlgorithm, bytes] | None = None,
    request: TimestampRequest | None = None,
    anchors: Iterable[x509.Certificate] = (),
    untrusted: Iterable[x509.Certificate] = (),
    revocation: RevocationValues | None = None,
) -> Report:
    """Verify a TimeStampResp or a bare token (RFC 3161, clause 2.4.2).

    Args:
        data: DER of either.
        clock: the time of judgement; genTime may not lie behind it.
        digests: of the data that is said to be stamped, by any algorithms; None where nothing is at hand to compare.
        request: the query that it is said to answer, with which nonce, policy, imprint and certificates are compared.
        anchors: who is trusted; without any, the timestamp is not valid.
        untrusted: certificates that may be missing in the token, the unit's own included.
        revocation: CRLs and OCSP responses beside those in the token. Where they are given, if only an empty set, the
            timestamp is valid only if all together show that no certificate of its path was revoked; where not, what
            the token carries is judged, and that it does not suffice is a note.

    Returns:
        The report. Nothing is raised for the data's sake.
    """
    work = _Verification(Report(clock()), tuple(anchors), tuple(untrusted), request, digests, revocation)
    work.run(data)
    return work.report


class _Verification:
    def __init__(
        self,
        report: Report,
        anchors: tuple[x509.Certificate, ...],
        untrusted: tuple[x509.Certificate, ...],
        request: TimestampRequest | None,
        digests: Mapping[DigestAlgorithm, bytes] | None,
        revocation: RevocationValues | None,
    ) -> None:
        self.report = report
        self._revocation = revocation
        self._anchors = anchors
        self._untrusted = untrusted
        self._request = request
        self._digests = digests

    def run(self, data: bytes) -> None:
        token = self._token(data)
        if token is None:
            return
        outer = self._attempt(Code.UNREADABLE, lambda: cms.outer(token))
        if outer is None:
            return
        found = self._attempt(Code.UNREADABLE, lambda: cms.encapsulated(outer))
        info = None
        if found is not None and found[1] is not None:
            content = found[1]
            info = self._attempt(Code.UNREADABLE, lambda: tsp.TSTInfo.load(content, strict=True))
        if info is not None:
            self._judge_info(info)
        signed = self._signed(token, outer)
        if signed is not None:
            self._judge_wrapper(data, outer, signed)
            moment = self._judge_signer(signed, info)
            if moment is not None:
                self._judge_revocation(embedded_values(outer, signed.signer), moment)

    def _token(self, data: bytes) -> bytes | None:
        """Return the token in a reply, or the token itself."""
        try:
            length = strict_der.first_length(data)
        except strict_der.EncodingError as error:
            self._add(Code.UNREADABLE, f"the octets are no DER encoding: {error}")
            return None
        if length != len(data):
            self._add(Code.TRAILING_OCTETS, f"{len(data) - length} octets stand behind the timestamp")
            data = data[:length]
        if strict_der.contents(data)[:1] == b"\x06":
            return data
        read = self._attempt(Code.UNREADABLE, lambda: read_reply(data))
        if read is None:
            return None
        status, token = read
        value = self._attempt(Code.UNREADABLE, lambda: int(status["status"]))
        if value is None:
            return None
        self.report.status = value
        if value > 1:
            words = self._attempt(Code.UNREADABLE, lambda: reason(status))
            self._add(Code.STATUS_REFUSED, f"the authority refused: {words}")
            if token is not None:
                self._add(Code.TOKEN_WITH_REFUSAL, "a refusal carries a token")
        elif token is None:
            self._add(Code.TOKEN_MISSING, "the reply grants a token and carries none")
        return token

    def _signed(self, token: bytes, outer: asn1.SignedData) -> cms.SignedData | None:
        signers = self._attempt(Code.UNREADABLE, lambda: list(outer["signer_infos"]))
        if signers is None:
            return None
        if len(signers) != 1:
            self._add(Code.SIGNERS, f"{len(signers)} signers instead of one")
        if not signers:
            return None
        oid = self._attempt(Code.UNREADABLE, lambda: signers[0]["digest_algorithm"]["algorithm"].dotted)
        if oid is None or self._attempt(Code.ALGORITHM_REFUSED, lambda: DigestAlgorithm.from_oid(oid)) is None:
            return None

        def read() -> cms.SignedData:
            content_type, content = cms.encapsulated(outer)
            return cms.SignedData(
                der=token,
                content_type=content_type,
                content=content,
                certificates=cms.certificates(outer),
                digest_algorithms=cms.digest_algorithms(outer),
                signer=cms.signer_info(signers[0]),
            )

        return self._attempt(Code.UNREADABLE, read)

    def _judge_wrapper(self, data: bytes, outer: asn1.SignedData, signed: cms.SignedData) -> None:
        def version() -> None:
            if outer["version"].native != "v3":
                raise cms.CmsError("the version of the SignedData is not 3")

        def is_der() -> None:
            length = strict_der.first_length(data)
            attributes = strict_der.contents(signed.signer.signed_attributes)
            start = data.find(attributes)
            theirs = range(start, start + len(attributes)) if start >= 0 else range(0)
            for violation in strict_der.violations(data[:length]):
                if violation.offset not in theirs:  # those are the business of `checks.SIGNER_CHECKS`
                    raise cms.CmsError(f"around what is signed stands BER: {violation.message}, at {violation.offset}")

        self._attempt(Code.CMS_VERSION, version)
        self._attempt(Code.WRAPPER_NOT_DER, is_der)

    def _judge_signer(self, signed: cms.SignedData, info: tsp.TSTInfo | None) -> datetime | None:
        """Judge the unit and its path; return the moment for which that was done, None where it could not be."""
        for code, signer_check in checks.SIGNER_CHECKS:
            self._attempt(code, partial(signer_check, signed))
        certificate = self._unit(signed)
        if certificate is None:
            return None
        self.report.unit = certificate
        self._attempt(Code.SIGNATURE_VALUE, lambda: cms.check_attributes_signature(signed.signer, certificate))
        self._attempt(Code.ESS_ISSUER_SERIAL, lambda: norms.check_issuer_serial(signed.signer, certificate))
        for code, unit_check in (*checks.UNIT_CHECKS, *norms.UNIT_CHECKS):
            self._attempt(code, partial(unit_check, certificate))
        if info is not None:
            for code, name_check in checks.NAME_CHECKS:
                self._attempt(code, partial(name_check, info, certificate))
        moment = self.report.gen_time
        if moment is not None:
            self._attempt(Code.UNIT_NOT_VALID, lambda: checks.unit_validity(certificate, moment))
            self._attempt(Code.UNIT_KEY_PERIOD, lambda: norms.check_key_period(certificate, moment))
            self._judge_path(certificate, (*signed.certificates, *embedded_certificates(signed.signer)), moment)
        return moment

    def _unit(self, signed: cms.SignedData) -> x509.Certificate | None:
        """Return the certificate of the signer, and judge which certificates came and whether ESS names it."""
        signer = signed.signer
        embedded = cms.named_by(signer, signed.certificates)
        if self._request is not None and self._request.cert_req and not embedded:
            self._add(Code.CERTIFICATES_MISSING, "the query asks for the signer's certificate, the token has it not")
        if self._request is not None and not self._request.cert_req and signed.certificates:
            self._add(Code.CERTIFICATES_UNASKED, "the query asks for no certificates, the token has some")
        named = embedded + cms.named_by(signer, self._untrusted)
        if not named:
            self._add(Code.SIGNER_UNKNOWN, "no certificate is at hand that the signer is named by")
            return None
        if cms.OID_SIGNING_CERTIFICATE_V2 in signer.attributes:
            return self._attempt(Code.ESS_DIFFERS, lambda: cms.fitting_ess(signer, named)) or named[0]
        if cms.OID_SIGNING_CERTIFICATE in signer.attributes:
            self._add(Code.ESS_VERSION_1, "the signer's certificate is named by SHA-1 only (ESSCertID of version 1)")
        else:
            self._add(Code.ESS_MISSING, "the signed attribute signing-certificate-v2 is missing")
        return named[0]

    def _judge_path(
        self, certificate: x509.Certificate, embedded: tuple[x509.Certificate, ...], moment: datetime
    ) -> None:
        if not self._anchors:
            self._add(Code.NO_ANCHOR, "no trust anchor is given, so nobody vouches for the authority")
            return
        try:
            self.report.path = find_path(certificate, self._anchors, (*embedded, *self._untrusted), moment)
        except PathNotValidError as error:
            self._add(Code.PATH_NOT_VALID, str(error))
        except NoPathError as error:
            self._add(Code.NO_PATH, str(error))
        else:
            if unrelated := len(set(embedded) - set(self.report.path)):
                self._add(Code.CERTIFICATES_UNRELATED, f"{unrelated} certificates in the token belong to no path")

    def _judge_revocation(self, embedded: RevocationValues, moment: datetime) -> None:
        report, given = self.report, self._revocation or RevocationValues()
        report.standings = standings(report.path, given.with_(embedded), moment, report.verified_at, CLOCK_SKEW)
        for each in report.standings:
            if each.status is Status.REVOKED:
                self._add(Code.CERTIFICATE_REVOKED, each.message)
            elif each.revoked_later:
                self._add(Code.CERTIFICATE_REVOKED_LATER, each.message)
            elif each.is_older:
                self._add(Code.REVOCATION_OLDER, f"{each.message}, before the timestamp, which was current then")
        if report.revocation is not Status.UNKNOWN:
            return
        unknown = [each.message for each in report.standings if each.status is Status.UNKNOWN]
        message = "; ".join(unknown) or "without a path, whether a certificate was revoked cannot be judged"
        is_asked = self._revocation is not None
        self._add(Code.REVOCATION_UNKNOWN if is_asked else Code.REVOCATION_NOT_CHECKED, message)

    def _judge_info(self, info: tsp.TSTInfo) -> None:
        for code, check in (*checks.INFO_CHECKS, *norms.INFO_CHECKS):
            self._attempt(code, partial(check, info))
        self._read_info(info)
        moment, now = self.report.gen_time, self.report.verified_at
        if moment is not None and moment > now + CLOCK_SKEW:
            self._add(Code.GEN_TIME_FUTURE, f"genTime {moment:%Y-%m-%d %H:%M:%SZ} lies after {now:%Y-%m-%d %H:%M:%SZ}")
        if self._request is not None:
            for code, request_check in checks.REQUEST_CHECKS:
                self._attempt(code, partial(request_check, info, self._request), "the token answers ")
        self._compare_imprint()

    def _read_info(self, info: tsp.TSTInfo) -> None:
        report = self.report

        def quietly(read: Callable[[], T]) -> T | None:
            try:
                return read()
            except _ERRORS:
                return None  # the checks have told it

        report.gen_time = quietly(lambda: checks.gen_time(info))
        report.accuracy = quietly(lambda: norms.accuracy(info))
        report.policy = quietly(lambda: info["policy"].dotted)
        report.serial_number = quietly(lambda: int(info["serial_number"].native))
        report.nonce = quietly(lambda: info["nonce"].native)
        report.qualified_statement = quietly(lambda: norms.states_qualified(info))
        imprint = quietly(lambda: info["message_imprint"])
        if imprint is not None:
            report.imprint_algorithm = quietly(lambda: imprint["hash_algorithm"]["algorithm"].dotted)
            report.imprint = quietly(lambda: bytes(imprint["hashed_message"].native))

    def _compare_imprint(self) -> None:
        report = self.report
        if self._digests is None:
            if self._request is None:
                self._add(Code.IMPRINT_NOT_COMPARED, "nothing was given that the timestamp could be compared with")
            return
        given = {algorithm.oid: digest for algorithm, digest in self._digests.items()}
        if report.imprint_algorithm not in given:
            self._add(Code.IMPRINT_DIFFERS, "the timestamp is over a digest by another algorithm than the one given")
        elif given[report.imprint_algorithm] != report.imprint:
            self._add(Code.IMPRINT_DIFFERS, "the timestamp is over other data")

    def _attempt(self, code: Code, work: Callable[[], T], before: str = "") -> T | None:
        """Do the work; what it complains about becomes a finding."""
        try:
            return work()
        except cms.CmsError as error:
            self._add(code, f"{before}{error}")
        except _ERRORS as error:
            self._add(code, f"malformed: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        return None

    def _add(self, code: Code, message: str) -> None:
        self.report.findings.append(Finding(code, message[:_LONGEST_MESSAGE]))
