"""Tokens beside those of asn1crypto: the same fields give the same octets (RFC 3161, 2.4.2; EN 319 422; FTS-TS-1)."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from asn1crypto import algos, cms, core, tsp, x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.timestamping.units import MOMENT, POLICY, Unit, answer, make_unit, status_of
from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority import factory as factory_module
from timestamping.authority.authority import Authority
from timestamping.authority.decision import FailInfo
from timestamping.authority.factory import SoftwareTsuKey, TokenFactory
from timestamping.authority.policies import Accuracy, Policies, PoliciesError
from timestamping.authority.unit import TimestampingUnit
from timestamping.request import TimestampRequest, build_request
from timestamping.token import parse_token

UNITS = {digest: make_unit(digest=digest) for digest in DigestAlgorithm}
UNIT = UNITS[DigestAlgorithm.SHA256]
QUERY = build_request(bytes(32), DigestAlgorithm.SHA256, nonce=7)
ACCURACIES = st.builds(Accuracy, st.integers(1, 2**40), st.integers(0, 999), st.integers(0, 999)) | st.builds(
    Accuracy, st.just(0), st.integers(1, 999), st.integers(0, 999)
)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
STATEMENT = core.Sequence.load(der.sequence(der.sequence(der.oid("0.4.0.19422.1.1"))))


@given(
    data=st.data(),
    digest=st.sampled_from(list(DigestAlgorithm)),
    hashing=st.sampled_from(list(DigestAlgorithm)),
    policy=st.sampled_from([POLICY, "0.4.0.2023.1.1", "2.999.18446744073709551616"]),
    nonce=st.none() | st.integers(-(2**256), 2**256),
    accuracy=ACCURACIES,
    moment=MOMENTS,
    milliseconds=st.booleans(),
    qualified=st.booleans(),
    certificates=st.booleans(),
)
@example(None, DigestAlgorithm.SHA256, DigestAlgorithm.SHA512, POLICY, 0, Accuracy(1), MOMENT, True, True, True)
def test_the_same_as_asn1crypto(
    data: st.DataObject | None,
    digest: DigestAlgorithm,
    hashing: DigestAlgorithm,
    policy: str,
    nonce: int | None,
    accuracy: Accuracy,
    moment: datetime,
    milliseconds: bool,
    qualified: bool,
    certificates: bool,
) -> None:
    imprint = data.draw(st.binary(min_size=digest.size, max_size=digest.size)) if data else bytes(digest.size)
    unit = UNITS[hashing]
    made = TokenFactory(
        unit.authority.unit.key,
        unit.tsu.certificate,
        (unit.ca.certificate,),
        policy=policy,
        digest=hashing,
        accuracy=accuracy,
        milliseconds=milliseconds,
        qualified=qualified,
    ).make(TimestampRequest(1, digest.oid, imprint, None, nonce, certificates, False), digest, moment)
    info: dict[str, Any] = {
        "version": 1,
        "policy": policy,
        "message_imprint": {
            "hash_algorithm": algos.DigestAlgorithm({"algorithm": digest.value, "parameters": core.Null()}),
            "hashed_message": imprint,
        },
        "serial_number": made.serial_number,
        "gen_time": moment.replace(microsecond=moment.microsecond // 1000 * 1000 if milliseconds else 0),
        "accuracy": {
            name: value
            for name, value in (("seconds", accuracy.seconds), ("millis", accuracy.millis), ("micros", accuracy.micros))
            if value
        },
    }
    if nonce is not None:
        info["nonce"] = nonce
    content = tsp.TSTInfo(info).dump()
    if qualified:
        content = with_statement(content)
    assert made.der == token_by_asn1crypto(unit, hashing, content, made.signature, certificates=certificates)


def with_statement(content: bytes) -> bytes:
    """A TSTInfo with qcStatements behind its fields."""
    extension = core.Sequence.load(der.sequence(der.oid("1.3.6.1.5.5.7.1.3"), der.octet_string(STATEMENT.dump())))
    members = (
        core.Sequence.load(content).contents + core.Sequence(contents=extension.dump(), implicit=("context", 1)).dump()
    )
    return bytes(core.Sequence(contents=members).dump())


def token_by_asn1crypto(
    unit: Unit, hashing: DigestAlgorithm, content: bytes, signature: bytes, *, certificates: bool
) -> bytes:
    """The token as asn1crypto writes it, around content and signature."""
    tsu = x509.Certificate.load(unit.tsu.certificate.public_bytes(Encoding.DER))
    ca = x509.Certificate.load(unit.ca.certificate.public_bytes(Encoding.DER))
    named: dict[str, Any] = {
        "cert_hash": hashing.digest(tsu.dump()),
        "issuer_serial": {
            "issuer": [x509.GeneralName("directory_name", tsu.issuer)],
            "serial_number": tsu.serial_number,
        },
    }
    # without parameters (RFC 5754, clause 2), which asn1crypto would put there by itself
    algorithm = algos.DigestAlgorithm.load(core.Sequence(contents=core.ObjectIdentifier(hashing.oid).dump()).dump())
    if hashing is not DigestAlgorithm.SHA256:
        named["hash_algorithm"] = algorithm
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                "issuer_and_serial_number", {"issuer": tsu.issuer, "serial_number": tsu.serial_number}
            ),
            "digest_algorithm": algorithm,
            "signed_attrs": cms.CMSAttributes(
                [
                    {"type": "content_type", "values": ["tst_info"]},
                    {"type": "message_digest", "values": [hashing.digest(content)]},
                    {"type": "signing_certificate_v2", "values": [{"certs": [named]}]},
                ]
            ),
            "signature_algorithm": {"algorithm": f"{hashing.value}_ecdsa"},
            "signature": signature,
        }
    )
    signed: dict[str, Any] = {
        "version": "v3",
        "digest_algorithms": [algorithm],
        "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
        "signer_infos": [signer],
    }
    if certificates:
        signed["certificates"] = sorted([tsu, ca], key=lambda each: bytes(each.dump()))
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())


@given(ACCURACIES)
def test_accuracy_as_asn1crypto_reads_it(accuracy: Accuracy) -> None:
    read = tsp.Accuracy.load(accuracy.der, strict=True).native
    assert (read["seconds"] or 0, read["millis"] or 0, read["micros"] or 0) == (
        accuracy.seconds,
        accuracy.millis,
        accuracy.micros,
    )


@pytest.mark.parametrize("seconds", [1.0, 0.5, 0.001, 0.000001, 1.25, 59.999999])
def test_accuracy_of_seconds(seconds: float) -> None:
    assert Accuracy.of_seconds(seconds).total_seconds == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize("parts", [(0, 0, 0), (-1, 0, 0), (0, 1000, 0), (0, 0, 1000), (1, -1, 0)])
def test_accuracies_that_are_none(parts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="accuracy"):
        Accuracy(*parts)


@pytest.mark.parametrize(
    ("micros", "fraction"),
    [(0, b""), (999, b""), (1_000, b".001"), (100_000, b".1"), (120_999, b".12"), (999_999, b".999"), (5_000, b".005")],
)
def test_gen_time_as_configured(micros: int, fraction: bytes) -> None:
    """T-12: UTC, seconds or milliseconds, no trailing zero."""
    moment = MOMENT.replace(microsecond=micros)
    for milliseconds, expected in ((True, fraction), (False, b"")):
        authority = Authority(UNIT.authority.unit, lambda: moment, policies=Policies(POLICY), milliseconds=milliseconds)
        issued = asyncio.run(authority.issue(request()))
        assert issued.token is not None
        assert f"{MOMENT:%Y%m%d%H%M%S}".encode() + expected + b"Z" in issued.token
        assert issued.gen_time == parse_token(issued.token).gen_time


def request(policy: str | None = None, nonce: int | None = None) -> TimestampRequest:
    return TimestampRequest(
        1, DigestAlgorithm.SHA256.oid, bytes(32), policy, nonce, cert_req=True, has_extensions=False
    )


def test_qualified_only_by_configuration() -> None:
    for qualified in (True, False):
        authority = Authority(UNIT.authority.unit, lambda: MOMENT, policies=Policies(POLICY), qualified=qualified)
        _, token = status_of(answer(authority, QUERY))
        assert token is not None
        assert (der.oid("0.4.0.19422.1.1") in token) == qualified
        assert parse_token(token)


def test_serial_numbers_have_159_bits_and_never_repeat() -> None:
    """T-8: nothing is counted, so that processes and restarts draw from the same 2¹⁵⁸ numbers."""
    tokens = [UNIT.factory.make(request(), DigestAlgorithm.SHA256, MOMENT) for _ in range(10_000)]
    serials = {made.serial_number for made in tokens}
    assert len(serials) == len(tokens)
    assert {serial.bit_length() for serial in serials} == {159}
    # each of the 158 random bits is drawn: the chance that one is alike in all of them is below 10⁻³⁰⁰⁰
    ones, zeros = 0, 0
    for serial in serials:
        ones |= serial
        zeros |= ~serial
    assert (ones, zeros & ((1 << 158) - 1)) == ((1 << 159) - 1, (1 << 158) - 1)


def test_policies_are_served_exactly() -> None:
    """3.1, row 5: none asked is the default; one not listed is refused, also where the list is empty."""
    listed = Authority(UNIT.authority.unit, lambda: MOMENT, policies=Policies(POLICY, ["2.25.1", "2.25.2"]))
    alone = Authority(UNIT.authority.unit, lambda: MOMENT, policies=Policies(POLICY, []))

    def outcome(authority: Authority, policy: str | None) -> str | FailInfo | None:
        issued = asyncio.run(authority.issue(request(policy)))
        if issued.token is None:
            return issued.fail_info
        assert parse_token(issued.token).policy == issued.policy
        return issued.policy

    asked = [None, POLICY, "2.25.1", "2.25.2", "2.25.3", ""]
    refused = FailInfo.UNACCEPTED_POLICY
    assert [outcome(listed, policy) for policy in asked] == [POLICY, POLICY, "2.25.1", "2.25.2", refused, refused]
    assert [outcome(alone, policy) for policy in asked] == [POLICY, POLICY, *[refused] * 4]


@pytest.mark.parametrize("default", ["", "2", "policy", "2.25.x", "3.1", "1.40", "1..2", "2.25.²"])
def test_no_start_without_a_proper_default(default: str) -> None:
    with pytest.raises(PoliciesError):
        Policies(default)
    with pytest.raises(PoliciesError):
        Policies(POLICY, [default])


def test_software_key_says_what_it_is(caplog: pytest.LogCaptureFixture) -> None:
    factory_module._warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            SoftwareTsuKey(UNIT.tsu.key)
    assert caplog.text.count("for development and tests only") == 1


class Faulty(SoftwareTsuKey):
    """A device that computes wrongly once it has been accepted."""

    uses = 0

    def sign(self, data: bytes) -> bytes:
        self.uses += 1
        return super().sign(data if self.uses == 1 else data + b"!")


@pytest.mark.parametrize("query", [QUERY, der.sequence(der.integer(1), *[QUERY[5:56]])], ids=["certReq", "no certReq"])
def test_self_check(query: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """3.1, row 18: a token that is wrong does not leave."""
    faulty = TimestampingUnit(Faulty(UNIT.tsu.key), UNIT.tsu.certificate)
    unchecked = Authority(faulty, lambda: MOMENT, policies=Policies(POLICY))
    checked = Authority(faulty, lambda: MOMENT, policies=Policies(POLICY), self_check=True)
    sound = Authority(UNIT.authority.unit, lambda: MOMENT, policies=Policies(POLICY), self_check=True)
    assert status_of(answer(unchecked, query))[1] is not None
    assert status_of(answer(checked, query))[1] is None
    assert "own check" in caplog.text
    assert status_of(answer(sound, query))[1] is not None


@pytest.mark.parametrize(
    ("accuracy", "milliseconds"), [(Accuracy(0, 999, 999), False), (Accuracy(0, 0, 999), True)], ids=str
)
def test_gen_time_is_not_coarser_than_the_accuracy(accuracy: Accuracy, milliseconds: bool) -> None:
    with pytest.raises(ValueError, match="accuracy"):
        Authority(
            UNIT.authority.unit,
            lambda: MOMENT,
            policies=Policies(POLICY),
            accuracy=accuracy,
            milliseconds=milliseconds,
        )
