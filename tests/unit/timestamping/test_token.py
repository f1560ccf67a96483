"""Reading tokens and replies: what a good one says, and each way in which one can be wrong (T-1 to T-6 and T-12)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.signing.issuing import DAY, issue, on_an_unknown_curve, usage
from tests.unit.timestamping.units import (
    EKU,
    MOMENT,
    POLICY,
    SHA256,
    TIME_STAMPING,
    Unit,
    attributes_of,
    make_unit,
    signed_data,
    tst_info,
)
from timestamping import cms, der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.decision import FailInfo, rejection
from timestamping.authority.factory import signing_certificate_v2
from timestamping.ports import (
    TimestampError,
    TimestampInvalidError,
    TimestampRejectedError,
    TimestampUnavailableError,
    Token,
)
from timestamping.request import TimestampRequest, build_request, message_imprint, parse_request
from timestamping.token import check_imprint, parse_reply, parse_token

UNIT = make_unit()
TSU = UNIT.tsu
QUERY = build_request(bytes(32), SHA256, nonce=7, policy=POLICY)
REQUEST = parse_request(QUERY)
REPLY = UNIT.reply(QUERY)
GRANTED = der.sequence(der.integer(0))


def reply_with(token: bytes) -> Token:
    return parse_reply(der.sequence(GRANTED, token), REQUEST, party="the authority")


def test_handmade_token_is_good() -> None:
    """The builder of the wrong tokens below makes right ones too."""
    token = parse_token(signed_data(TSU, tst_info()))
    assert (token.gen_time, token.serial_number, token.policy) == (MOMENT, 1, POLICY)
    assert token.tsu_certificate == TSU.certificate


def test_padding_behind_the_token_is_left_out() -> None:
    der_token = signed_data(TSU, tst_info())
    assert parse_token(der_token + bytes(100)).der == der_token


@pytest.mark.parametrize(
    ("gen_time", "offset"),
    [("Z", timedelta(0)), (".5Z", timedelta(milliseconds=500)), (".123456Z", timedelta(microseconds=123_456))],
)
def test_gen_time_with_a_fraction(gen_time: str, offset: timedelta) -> None:
    encoded = der.tlv(0x18, (MOMENT.strftime("%Y%m%d%H%M%S") + gen_time).encode())
    assert parse_token(signed_data(TSU, tst_info(gen_time=encoded))).gen_time == MOMENT + offset


@pytest.mark.parametrize("ending", ["", "+0000", ".Z", ".50Z", ".0Z", "Z0", ",5Z"])
def test_gen_time_that_rfc_3161_forbids(ending: str) -> None:
    encoded = der.tlv(0x18, (MOMENT.strftime("%Y%m%d%H%M%S") + ending).encode())
    with pytest.raises(TimestampInvalidError):
        parse_token(signed_data(TSU, tst_info(gen_time=encoded)))


def test_unit_that_expired_since() -> None:
    """The certificate was valid at genTime; that it has expired since says nothing against the token (T-4)."""
    past = issue(
        "Old Unit", UNIT.ca, not_before=MOMENT - DAY, not_after=MOMENT + timedelta(seconds=1), extensions=TIME_STAMPING
    )
    assert parse_token(signed_data(past, tst_info())).gen_time == MOMENT


Tokens = Callable[[], bytes]


def without(*names: str) -> Tokens:
    content = tst_info()
    kept = [value for key, value in attributes_of(TSU, content).items() if key not in names]
    return lambda: signed_data(TSU, content, kept)


def with_attribute(name: str, *values: bytes) -> Tokens:
    """Replace one attribute by others, rightly signed."""
    content = tst_info()
    kept = [value for key, value in attributes_of(TSU, content).items() if key != name]
    return lambda: signed_data(TSU, content, [*kept, *values])


def with_info(content: bytes) -> Tokens:
    return lambda: signed_data(TSU, content)


def with_extensions(*extensions: tuple[x509.ExtensionType, bool]) -> Tokens:
    return lambda: signed_data(issue("Unit", UNIT.ca, extensions=extensions), tst_info())


def ess_v1() -> bytes:
    """SigningCertificate of RFC 2634 with SHA-1."""
    certificate = der.octet_string(bytes(20))
    return der.attribute(cms.OID_SIGNING_CERTIFICATE, der.sequence(der.sequence(der.sequence(certificate))))


def at(moment: datetime, seconds: int) -> bytes:
    return der.generalized_time(moment + timedelta(seconds=seconds))


OTHER = issue("Other Unit", UNIT.ca, extensions=TIME_STAMPING)
RSA_KEY = rsa.generate_private_key(65537, 2048)
DIGEST = attributes_of(TSU, tst_info())["message digest"]
TYPE = attributes_of(TSU, tst_info())["content type"]
EXTENSION = der.sequence(der.oid("2.25.42"), der.TRUE, der.octet_string(b"\x05\x00"))

WRONG: dict[str, Tokens] = {
    "signed by another key": lambda: signed_data(TSU, tst_info(), key=ec.generate_private_key(ec.SECP256R1())),
    "signed by a key of another kind": lambda: signed_data(TSU, tst_info(), key=RSA_KEY),
    "certificate missing": lambda: signed_data(TSU, tst_info(), certificates=[]),
    "another certificate instead": lambda: signed_data(TSU, tst_info(), certificates=[OTHER.certificate]),
    "certificate swapped": lambda: signed_data(replace(OTHER, key=TSU.key), tst_info()),
    "two signers": lambda: signed_data(TSU, tst_info(), signers=2),
    "no signer": lambda: signed_data(TSU, tst_info(), signers=0),
    "no data in a timestamp": lambda: signed_data(TSU, tst_info(), content_type=cms.OID_DATA),
    "attribute content type missing": without("content type"),
    "attribute message digest missing": without("message digest"),
    "attribute signing certificate missing": without("signing certificate"),
    "no attribute": without("content type", "message digest", "signing certificate"),
    "content type of something else": with_attribute(
        "content type", der.attribute(cms.OID_CONTENT_TYPE, der.oid(cms.OID_DATA))
    ),
    "content type twice": with_attribute("content type", TYPE, TYPE),
    "digest of something else": with_attribute(
        "message digest", der.attribute(cms.OID_MESSAGE_DIGEST, der.octet_string(bytes(32)))
    ),
    "message digest twice": with_attribute("message digest", DIGEST, DIGEST),
    "message digest with two values": with_attribute(
        "message digest",
        der.attribute(cms.OID_MESSAGE_DIGEST, der.octet_string(SHA256.digest(tst_info())), der.octet_string(bytes(32))),
    ),
    "message digest that is a number": with_attribute(
        "message digest", der.attribute(cms.OID_MESSAGE_DIGEST, der.integer(1))
    ),
    "signing certificate of version 1": with_attribute("signing certificate", ess_v1()),
    "signing certificate names another": with_attribute(
        "signing certificate",
        der.attribute(cms.OID_SIGNING_CERTIFICATE_V2, signing_certificate_v2(OTHER.certificate, SHA256)),
    ),
    "signing certificate is empty": with_attribute(
        "signing certificate", der.attribute(cms.OID_SIGNING_CERTIFICATE_V2, der.sequence())
    ),
    "purpose not critical": with_extensions((EKU, False)),
    "purpose missing": with_extensions((usage("digital_signature"), True)),
    "purpose of something else": with_extensions((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True)),
    "another purpose beside it": with_extensions(
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.OCSP_SIGNING]), True)
    ),
    "before the certificate": with_info(tst_info(gen_time=at(TSU.certificate.not_valid_before_utc, -1))),
    "after the certificate": with_info(tst_info(gen_time=at(TSU.certificate.not_valid_after_utc, 1))),
    "version 2": with_info(tst_info(version=2)),
    "serial number negative": with_info(tst_info(serial_number=-1)),
    "serial number of 161 bits": with_info(tst_info(serial_number=1 << 160)),
    "imprint by SHA-1": with_info(
        tst_info(imprint=der.sequence(der.sequence(der.oid("1.3.14.3.2.26"), der.NULL), der.octet_string(bytes(20))))
    ),
    "imprint too short": with_info(tst_info(imprint=message_imprint(SHA256, bytes(31)))),
    "critical extension": with_info(tst_info(more=[der.tlv(0xA1, EXTENSION)])),
    "name of another authority": with_info(
        tst_info(more=[der.explicit(0, der.explicit(4, UNIT.ca.certificate.subject.public_bytes()))])
    ),
    "octets behind the content": with_info(tst_info() + b"\x00"),
    "content cut": with_info(tst_info()[:-1]),
    "no content": with_info(b""),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_wrong_token(make: Tokens) -> None:
    der_token = make()
    with pytest.raises(TimestampInvalidError) as caught:
        parse_token(der_token)
    assert caught.value.code == "TIMESTAMP_INVALID"
    assert caught.value.party
    with pytest.raises(TimestampInvalidError):
        reply_with(der_token)


def test_authority_as_unit() -> None:
    make = with_extensions((x509.BasicConstraints(True, None), True), (usage("key_cert_sign"), True), (EKU, True))
    with pytest.raises(TimestampInvalidError):
        parse_token(make())


@pytest.mark.parametrize("first", [True, False])
def test_injected_certificates_do_not_become_the_signer(first: bool) -> None:
    """The unit is whom the SignerInfo and the ESS attribute name, not what looks like a leaf (T-2)."""
    attacker = issue("Attacker", extensions=TIME_STAMPING)
    namesake = issue("Timestamping Unit", extensions=TIME_STAMPING)
    injected: Sequence[x509.Certificate] = [attacker.certificate, namesake.certificate]
    order = [*injected, TSU.certificate] if first else [TSU.certificate, *injected]
    token = parse_token(signed_data(TSU, tst_info(), certificates=order))
    assert token.tsu_certificate == TSU.certificate
    assert list(token.certificates) == order


def test_check_imprint() -> None:
    token = parse_token(signed_data(TSU, tst_info()))
    check_imprint(token, {SHA256: bytes(32), DigestAlgorithm.SHA512: bytes(64)})
    for digests in ({}, {SHA256: bytes(31) + b"\x01"}, {DigestAlgorithm.SHA512: bytes(32)}):
        with pytest.raises(TimestampInvalidError, match="over other data"):
            check_imprint(token, digests)


def test_good_reply(unit: Unit) -> None:
    token = parse_reply(unit.reply(QUERY), REQUEST, party="the authority")
    assert (token.imprint, token.policy) == (bytes(32), POLICY)


def test_granted_with_modifications_is_granted() -> None:
    token = signed_data(TSU, tst_info(more=[der.integer(7)]))
    assert parse_reply(der.sequence(der.sequence(der.integer(1)), token), REQUEST, party="the authority")


ANOTHER: dict[str, TimestampRequest] = {
    "nonce": REQUEST._replace(nonce=8),
    "no nonce": REQUEST._replace(nonce=None),
    "imprint": REQUEST._replace(imprint=b"\x01" * 32),
    "algorithm": REQUEST._replace(algorithm_oid=DigestAlgorithm.SHA512.oid),
    "policy": REQUEST._replace(policy="2.25.1"),
}


@pytest.mark.parametrize("request_", ANOTHER.values(), ids=ANOTHER)
def test_reply_to_another_request(request_: TimestampRequest) -> None:
    with pytest.raises(TimestampInvalidError, match="the authority answered") as caught:
        parse_reply(REPLY, request_, party="the authority")
    assert caught.value.party == "the authority"


def test_reply_without_the_nonce() -> None:
    with pytest.raises(TimestampInvalidError, match="another nonce"):
        reply_with(signed_data(TSU, tst_info()))


@pytest.mark.parametrize("status", [2, 3, 4, 5, 99])
def test_other_states_are_refusals_even_with_a_token(status: int) -> None:
    token = signed_data(TSU, tst_info(more=[der.integer(7)]))
    with pytest.raises(TimestampRejectedError) as caught:
        parse_reply(der.sequence(der.sequence(der.integer(status)), token), REQUEST, party="the authority")
    assert caught.value.code == "TIMESTAMP_REJECTED"


def test_refusal_gives_the_reason() -> None:
    with pytest.raises(TimestampRejectedError, match=r"badAlg, use SHA-256"):
        parse_reply(rejection(FailInfo.BAD_ALG, "use SHA-256"), REQUEST, party="the authority")


@pytest.mark.parametrize(
    "octets",
    [b"", b"<html>", b"\x30\x00", b"\x30\x03\x02\x01\x00", pytest.param(REPLY[:100], id="cut off"), b"\xff" * 9],
)
def test_no_reply(octets: bytes) -> None:
    with pytest.raises(TimestampUnavailableError) as caught:
        parse_reply(octets, REQUEST, party="the authority")
    assert (caught.value.code, caught.value.party) == ("TIMESTAMP_UNAVAILABLE", "the authority")


def test_granted_without_a_token() -> None:
    with pytest.raises(TimestampInvalidError, match="without a token"):
        parse_reply(der.sequence(GRANTED), REQUEST, party="the authority")


VERSION_AT = REPLY.index(b"\xa0\x03\x02\x01\x02") + 4


@example(at=VERSION_AT, piece=b"\x09", dropped=1)
@given(at=st.integers(0, len(REPLY)), piece=st.binary(max_size=6), dropped=st.integers(0, 6))
def test_spliced_reply(at: int, piece: bytes, dropped: int) -> None:
    """Whatever is changed, the reply is refused, or the token still says what was signed."""
    try:
        token = parse_reply(REPLY[:at] + piece + REPLY[at + dropped :], REQUEST, party="the authority")
    except TimestampError:
        return
    assert (token.imprint, token.gen_time, token.tsu_certificate) == (bytes(32), MOMENT, TSU.certificate)


@example(at=VERSION_AT, change=8)
@given(at=st.integers(0, len(REPLY) - 1), change=st.integers(1, 255))
def test_one_changed_octet_of_a_reply(at: int, change: int) -> None:
    changed = bytearray(REPLY)
    changed[at] ^= change
    try:
        token = parse_reply(bytes(changed), REQUEST, party="the authority")
    except TimestampError:
        return
    assert (token.imprint, token.gen_time, token.tsu_certificate) == (bytes(32), MOMENT, TSU.certificate)


def test_unit_on_an_unknown_curve() -> None:
    with pytest.raises(TimestampInvalidError):
        parse_token(signed_data(on_an_unknown_curve(TSU), tst_info()))
