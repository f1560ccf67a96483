"""Reading RFC 3161 tokens and replies, with every check that needs no trust anchor (RFC 3161, 2.4.2; RFC 5816)."""

from asn1crypto import core, tsp

from timestamping import checks, cms, norms
from timestamping.algorithms import DigestAlgorithm
from timestamping.ports import TimestampInvalidError, TimestampRejectedError, TimestampUnavailableError, Token
from timestamping.request import TimestampRequest

_FAIL_INFO = {
    0: "badAlg",
    2: "badRequest",
    5: "badDataFormat",
    14: "timeNotAvailable",
    15: "unacceptedPolicy",
    16: "unacceptedExtension",
    17: "addInfoNotAvailable",
    25: "systemFailure",
}


def parse_token(der: bytes) -> Token:
    """Parse a token and verify its signature, ESSCertIDv2, what it says and the TSU certificate's form.

    The certificate's path, revocation and the imprint are the caller's to judge. The first thing that is wrong ends the
    reading; `timestamping.verify` tells all of them.

    Raises:
        TimestampInvalidError: the token is malformed or not signed by the certificate that it names.
    """
    party = "the timestamp's signer"
    try:
        signed = cms.parse_signed_data(der)
        certificate = signed.signer_certificate()
        party = certificate.subject.rfc4514_string()
        for _, signer_check in checks.SIGNER_CHECKS:
            signer_check(signed)
        cms.check_attributes_signature(signed.signer, certificate)
        for _, unit_check in checks.UNIT_CHECKS:
            unit_check(certificate)
        info = tsp.TSTInfo.load(signed.content, strict=True)
        for _, info_check in checks.INFO_CHECKS:
            info_check(info)
        gen_time = checks.gen_time(info)
        checks.unit_validity(certificate, gen_time)
        for _, name_check in checks.NAME_CHECKS:
            name_check(info, certificate)
        algorithm, imprint = checks.imprint(info)
        return Token(
            der=signed.der,
            gen_time=gen_time,
            policy=info["policy"].dotted,
            serial_number=info["serial_number"].native,
            imprint_algorithm=algorithm,
            imprint=imprint,
            tsu_certificate=certificate,
            certificates=signed.certificates,
        )
    except cms.READ_ERRORS as error:
        raise TimestampInvalidError(f"invalid timestamp token: {error}", party=party) from error


def check_imprint(token: Token, data_digests: dict[DigestAlgorithm, bytes]) -> None:
    """Check that the token is over the data whose digests are given.

    Raises:
        TimestampInvalidError: it is over other data.
    """
    if data_digests.get(token.imprint_algorithm) != token.imprint:
        raise TimestampInvalidError(
            "the timestamp is over other data", party=token.tsu_certificate.subject.rfc4514_string()
        )


def parse_reply(reply: bytes, request: TimestampRequest, *, party: str) -> Token:
    """Parse a TimeStampResp and check that it answers `request`.

    Raises:
        TimestampRejectedError: the status is not granted.
        TimestampUnavailableError: the octets are no TimeStampResp.
        TimestampInvalidError: the token is not one for this request.
    """
    try:
        status, encoded = read_reply(reply)
        value = int(status["status"])
    except cms.READ_ERRORS as error:
        raise TimestampUnavailableError(f"{party} did not answer with a timestamp reply", party=party) from error
    if value > 1:
        raise TimestampRejectedError(f"{party} refused: {reason(status)}", party=party, fail_info=fail_info(status))
    if encoded is None:
        raise TimestampInvalidError(f"{party} granted without a token", party=party)
    token = parse_token(encoded)
    info = tsp.TSTInfo.load(cms.encapsulated(cms.outer(token.der))[1], strict=True)
    for _, check in checks.REQUEST_CHECKS:
        try:
            check(info, request)
        except cms.CmsError as error:
            raise TimestampInvalidError(f"{party} answered {error}", party=party) from error
    return token


def states_qualified(token: Token) -> bool:
    """Tell whether a token states that it is a qualified timestamp (EN 319 422, clause 9); the trusted list decides."""
    try:
        return norms.states_qualified(tsp.TSTInfo.load(cms.encapsulated(cms.outer(token.der))[1], strict=True))
    except cms.READ_ERRORS:
        return False


def read_reply(reply: bytes) -> tuple[tsp.PKIStatusInfo, bytes | None]:
    """Split a TimeStampResp into its status and the token, None where there is none.

    Raises:
        One of `cms.READ_ERRORS`: the octets are no TimeStampResp.
    """
    parts = list(cms.encodings(core.Sequence.load(reply, strict=True).contents))
    if len(parts) not in {1, 2}:
        raise ValueError("a reply has a status and at most a token")
    status = tsp.PKIStatusInfo.load(parts[0], strict=True)
    return status, parts[1] if len(parts) == 2 else None


def fail_info(status: tsp.PKIStatusInfo) -> frozenset[str]:
    """Return the names of the failInfo bits that are set."""
    if (bits := status["fail_info"]).native is None:
        return frozenset()
    # read from the encoding: asn1crypto misspells one of the names
    octets = bits.contents[1:]
    return frozenset(
        name for bit, name in _FAIL_INFO.items() if bit // 8 < len(octets) and octets[bit // 8] >> (7 - bit % 8) & 1
    )


def reason(status: tsp.PKIStatusInfo) -> str:
    """Return status, failInfo and text of a refusal, as a person reads them."""
    words = [str(status["status"].native), *sorted(fail_info(status))]
    if (text := status["status_string"]).native:
        words.append("; ".join(text.native)[:200])
    return ", ".join(words)
