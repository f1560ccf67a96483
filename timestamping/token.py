"""Reading RFC 3161 tokens and replies, with every check that needs no trust anchor (RFC 3161, 2.4.2; RFC 5816)."""

import re
from datetime import UTC, datetime

from asn1crypto import core, tsp
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from timestamping import cms
from timestamping.algorithms import DigestAlgorithm
from timestamping.ports import TimestampInvalidError, TimestampRejectedError, TimestampUnavailableError, Token
from timestamping.request import TimestampRequest

_GENERALIZED_TIME = re.compile(rb"\x18.(\d{14})(\.\d*[1-9])?Z", re.DOTALL)
_MAX_SERIAL_BITS = 160
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
    """Parse a token and verify its signature, ESSCertIDv2 and the TSU certificate's form.

    The certificate's path, revocation and the imprint are the caller's to judge.

    Raises:
        TimestampInvalidError: the token is malformed or not signed by the certificate that it names.
    """
    party = "the timestamp's signer"
    try:
        signed = cms.parse_signed_data(der)
        if signed.content_type != cms.OID_TST_INFO or signed.content is None:
            raise cms.CmsError("the content is no TSTInfo")
        certificate = signed.signer_certificate()
        party = certificate.subject.rfc4514_string()
        digest = signed.signer.digest_algorithm.digest(signed.content)
        cms.check_signature(signed, certificate, digest)
        _check_tsu_certificate(certificate)
        info = tsp.TSTInfo.load(signed.content, strict=True)
        gen_time = _gen_time(info)
        _check_info(info, certificate, gen_time)
        imprint = info["message_imprint"]
        algorithm = DigestAlgorithm.from_oid(imprint["hash_algorithm"]["algorithm"].dotted)
        value = bytes(imprint["hashed_message"].native)
        if len(value) != algorithm.size:
            raise cms.CmsError("the imprint's length is not its algorithm's")
        return Token(
            der=signed.der,
            gen_time=gen_time,
            policy=info["policy"].dotted,
            serial_number=info["serial_number"].native,
            imprint_algorithm=algorithm,
            imprint=value,
            tsu_certificate=certificate,
            certificates=signed.certificates,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
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
        parts = list(cms.encodings(core.Sequence.load(reply, strict=True).contents))
        status = tsp.PKIStatusInfo.load(parts[0], strict=True)
        value = int(status["status"])
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise TimestampUnavailableError(f"{party} did not answer with a timestamp reply", party=party) from error
    if value > 1:
        raise TimestampRejectedError(f"{party} refused: {_reason(status)}", party=party)
    try:
        token = parse_token(parts[1])
    except LookupError as error:
        raise TimestampInvalidError(f"{party} granted without a token", party=party) from error
    info = tsp.TSTInfo.load(_content(token))
    if info["nonce"].native != request.nonce:
        raise TimestampInvalidError(f"{party} answered with another nonce", party=party)
    if token.imprint_algorithm.oid != request.algorithm_oid or token.imprint != request.imprint:
        raise TimestampInvalidError(f"{party} answered for another imprint", party=party)
    if request.policy is not None and token.policy != request.policy:
        raise TimestampInvalidError(f"{party} answered under another policy", party=party)
    return token


def _content(token: Token) -> bytes:
    content = cms.parse_signed_data(token.der).content
    assert content is not None  # noqa: S101  parse_token refused a token without content
    return content


def _gen_time(info: tsp.TSTInfo) -> datetime:
    encoded = info["gen_time"].dump()
    match = _GENERALIZED_TIME.fullmatch(encoded)
    if match is None:
        raise cms.CmsError("genTime is not in the form that RFC 3161 prescribes")
    moment = datetime.strptime(match[1].decode("ascii"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    fraction = float(match[2] or 0)
    return moment.replace(microsecond=int(fraction * 1_000_000))


def _check_info(info: tsp.TSTInfo, certificate: x509.Certificate, gen_time: datetime) -> None:
    if info["version"].native != "v1":
        raise cms.CmsError("the TSTInfo version is not 1")
    serial = info["serial_number"].native
    if serial < 0 or serial.bit_length() > _MAX_SERIAL_BITS:
        raise cms.CmsError("the serial number is negative or longer than 160 bits")
    if not certificate.not_valid_before_utc <= gen_time <= certificate.not_valid_after_utc:
        raise cms.CmsError("genTime lies outside the TSU certificate's validity")
    for extension in info["extensions"]:
        if extension["critical"].native:
            raise cms.CmsError("the TSTInfo has a critical extension")
    tsa = info["tsa"]
    if (
        tsa.native is not None
        and tsa.name == "directory_name"
        and tsa.chosen.untag().dump() != certificate.subject.public_bytes()
    ):
        raise cms.CmsError("the tsa name differs from the TSU certificate's subject")


def _check_tsu_certificate(certificate: x509.Certificate) -> None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as error:
        raise cms.CmsError("the TSU certificate has no extended key usage") from error
    try:
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    if is_ca:
        raise cms.CmsError("the TSU certificate is an authority's")
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise cms.CmsError("the TSU certificate's extended key usage is not timeStamping alone and critical")


def _reason(status: tsp.PKIStatusInfo) -> str:
    words = [str(status["status"].native)]
    if (bits := status["fail_info"]).native is not None:
        # read from the encoding: asn1crypto misspells one of the names
        octets = bits.contents[1:]
        words += [
            name for bit, name in _FAIL_INFO.items() if bit // 8 < len(octets) and octets[bit // 8] >> (7 - bit % 8) & 1
        ]
    if (text := status["status_string"]).native:
        words.append("; ".join(text.native)[:200])
    return ", ".join(words)
