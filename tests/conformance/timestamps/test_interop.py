"""Tokens in both directions (FTS-TS-1, FTS-TS-5): ours before four other verifiers, those of OpenSSL before ours."""

import asyncio
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import pytest
import rfc3161_client
from asn1crypto import cms as asn1
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko_certvalidator import ValidationContext

from deploy.demo_pki.pki import Entity
from signing.asic.timestamp_container import write_container
from tests.conformance.programs import run
from tests.conformance.timestamps.cases import NONCE, Query
from tests.conformance.timestamps.judges import Judges
from tests.conformance.timestamps.units import Key, UnitWish, pem_file, pki
from tests.oracles.oracle import Oracle
from tests.oracles.reports import Timestamp
from tests.support.line import POLICY
from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.factory import SoftwareTsuKey, TokenFactory
from timestamping.clock import utc_now
from timestamping.findings import Code
from timestamping.request import build_request, parse_request
from timestamping.verify import Report, verify

DATA = b"what is stamped"
GRANTED = der.sequence(der.integer(0))


@dataclass(frozen=True)
class Kind:
    """A unit of ours and how it stamps."""

    key: Key = "p256"
    digest: DigestAlgorithm = DigestAlgorithm.SHA256
    """Of the imprint and of the token's own signature."""
    milliseconds: bool = False
    qualified: bool = False


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "P-256": Kind(),
        "P-384 and SHA-384": Kind("p384", DigestAlgorithm.SHA384),
        "RSA": Kind("rsa2048"),
        "RSA and SHA-512": Kind("rsa2048", DigestAlgorithm.SHA512),
        "milliseconds": Kind(milliseconds=True),
        "qualified statement": Kind(qualified=True),
    }
)


@dataclass(frozen=True)
class Stamped:
    """A token of our factory."""

    unit: Entity
    query: bytes
    token: bytes
    digest: DigestAlgorithm

    @property
    def reply(self) -> bytes:
        return der.sequence(GRANTED, self.token)

    @property
    def untrusted(self) -> tuple[x509.Certificate, ...]:
        return (self.unit.certificate, *self.unit.chain)


def stamped(
    kind: Kind, wish: UnitWish | None = None, *, at: datetime | None = None, certificates: bool = True
) -> Stamped:
    unit = pki().unit(replace(wish or UnitWish(), key=kind.key))
    factory = TokenFactory(
        SoftwareTsuKey(unit.key, kind.digest),
        unit.certificate,
        unit.chain[:1],
        policy=POLICY,
        digest=kind.digest,
        qualified=kind.qualified,
        milliseconds=kind.milliseconds,
    )
    query = build_request(kind.digest.digest(DATA), kind.digest, nonce=NONCE, policy=POLICY)
    request = parse_request(query)._replace(cert_req=certificates)
    return Stamped(unit, query, factory.token(request, kind.digest, at or utc_now()), kind.digest)


@pytest.mark.parametrize("name", KINDS)
def test_ours_before_openssl_and_rfc3161_client(judges: Judges, name: str) -> None:
    made = stamped(KINDS[name])
    assert judges.by_openssl(made.reply, made.query) == []
    assert judges.openssl.token_over_data(made.token, DATA) == []
    assert judges.openssl.token_over_data(made.token, DATA + b"!") != []

    def strict(builder: rfc3161_client.VerifierBuilder) -> rfc3161_client.VerifierBuilder:
        return builder.nonce(NONCE).policy_id(x509.ObjectIdentifier(POLICY)).tsa_certificate(made.unit.certificate)

    assert judges.by_rfc3161_client(made.reply, DATA, change=strict) == []
    assert judges.by_rfc3161_client(made.reply, DATA + b"!", change=strict) != []


@pytest.mark.parametrize("name", KINDS)
def test_ours_before_pyhanko(name: str) -> None:
    made = stamped(KINDS[name])
    anchors = [asn1_x509.Certificate.load(each.public_bytes(Encoding.DER)) for each in pki().anchors]

    def judged(data: bytes) -> dict[str, object]:
        signed = asn1.ContentInfo.load(made.token, strict=True)["content"]
        context = ValidationContext(trust_roots=anchors, allow_fetching=False)
        work = validate_tst_signed_data(signed, context, lambda algorithm: DigestAlgorithm(algorithm).digest(data))
        return dict(asyncio.run(work))

    verdict = judged(DATA)
    assert (verdict["intact"], verdict["valid"], verdict["trust_problem_indic"]) == (True, True, None)
    assert judged(DATA + b"!")["intact"] is False


@pytest.mark.parametrize("name", KINDS)
def test_ours_before_dss(oracle: Oracle, tmp_path: Path, name: str) -> None:
    """DSS wants revocation data below an anchor; the unit itself is therefore the anchor here."""
    made = stamped(KINDS[name])
    token, data = tmp_path / "token.tst", tmp_path / "data.bin"
    token.write_bytes(made.token)
    anchor = pem_file(tmp_path / "unit.pem", made.unit.certificate)

    def judged(content: bytes) -> Timestamp:
        data.write_bytes(content)
        (timestamp,) = oracle.validate(token, [anchor], detached=[data]).timestamps
        return timestamp

    verdict = judged(DATA)
    assert (verdict.indication, verdict.errors) == ("PASSED", ())
    assert verdict.imprint_algorithm == made.digest.name
    assert verdict.signer == "CN=TEST Timestamping Unit"
    assert judged(DATA + b"!").sub_indication == "HASH_FAILURE"


def test_our_container_with_a_timestamp_before_dss(oracle: Oracle, tmp_path: Path) -> None:
    """FTS-TS-1: any file as ASiC-S with its timestamp (EN 319 162-1, clause 4.3)."""
    made = stamped(KINDS["P-256"])
    anchor = pem_file(tmp_path / "unit.pem", made.unit.certificate)

    def judged(content: bytes) -> Timestamp:
        container = tmp_path / "letter.asics"
        with container.open("w+b") as output:
            write_container(io.BytesIO(content), "letter \u00e9.txt", made.token, utc_now(), output)
        validation = oracle.validate(container, [anchor])
        assert validation.signatures == ()
        (timestamp,) = validation.timestamps
        return timestamp

    verdict = judged(DATA)
    assert (verdict.indication, verdict.errors) == ("PASSED", ())
    assert "letter \u00e9.txt" in {scope.name for scope in verdict.scopes}
    assert judged(DATA + b"!").sub_indication == "HASH_FAILURE"


@pytest.mark.parametrize("name", KINDS)
def test_ours_before_ourselves(name: str) -> None:
    made = stamped(KINDS[name])
    report = judge(made)
    assert report.conformant, report.findings
    assert report.path == made.untrusted
    assert report.qualified_statement is KINDS[name].qualified


def test_expired_since_is_accepted_by_all_who_judge_at_gentime(judges: Judges, tmp_path: Path) -> None:
    """T-4: the unit's certificate was valid at genTime and has expired since."""
    moment = utc_now() - timedelta(hours=2)
    made = stamped(Kind(), UnitWish(valid_hours=(-48.0, -1.0)), at=moment)
    assert judge(made).conformant
    assert judges.by_rfc3161_client(made.reply, DATA) == []
    assert judges.by_openssl(made.reply, made.query) != []
    query, reply = tmp_path / "query.tsq", tmp_path / "reply.tsr"
    query.write_bytes(made.query)
    reply.write_bytes(made.reply)
    root = pem_file(tmp_path / "root.pem", *pki().anchors)
    at_gen_time = ("-attime", str(int(moment.timestamp())))
    result = run("openssl", "ts", "-verify", "-queryfile", query, "-in", reply, "-CAfile", root, *at_gen_time)
    assert "Verification: OK" in result.stdout


def test_without_certificates_for_those_who_have_them(judges: Judges, tmp_path: Path) -> None:
    made = stamped(Kind(), certificates=False)
    query = Query(certificates=False).encoded()
    untrusted = pem_file(tmp_path / "untrusted.pem", *made.untrusted)
    assert judges.by_openssl(made.reply, query, untrusted=untrusted) == []
    request = parse_request(query)
    digests = {made.digest: made.digest.digest(DATA)}
    with_them = verify(
        made.reply, clock=utc_now, digests=digests, request=request, anchors=pki().anchors, untrusted=made.untrusted
    )
    assert with_them.conformant
    without = verify(made.reply, clock=utc_now, digests=digests, request=request, anchors=pki().anchors)
    assert Code.SIGNER_UNKNOWN in without.codes


AUTHORITY = """
[tsa]
default_policy = {policy}
serial = {directory}/serial
signer_digest = {digest}
digests = sha256, sha384, sha512
accuracy = {accuracy}
clock_precision_digits = {digits}
ordering = {ordering}
tsa_name = {tsa_name}
ess_cert_id_alg = {ess}
ess_cert_id_chain = no
"""
DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "digest": "sha256",
        "accuracy": "secs:1",
        "digits": "0",
        "ordering": "no",
        "tsa_name": "no",
        "ess": "sha256",
    }
)
OPENSSL: Mapping[str, tuple[Mapping[str, str], frozenset[Code]]] = MappingProxyType(
    {
        "plain": ({}, frozenset()),
        "tsa name": ({"tsa_name": "yes"}, frozenset()),
        "microseconds": ({"digits": "6"}, frozenset()),
        "ordering": ({"ordering": "yes"}, frozenset()),
        "SHA-512": ({"digest": "sha512", "ess": "sha512"}, frozenset()),
        "accuracy of millionths": ({"accuracy": "millisecs:500, microsecs:100"}, frozenset()),
        "accuracy of ten seconds": ({"accuracy": "secs:10"}, frozenset({Code.ACCURACY_COARSE})),
        "ESSCertID v1": ({"ess": "sha1"}, frozenset({Code.ESS_VERSION_1})),
    }
)


@pytest.mark.parametrize("key", ["p256", "rsa2048"])
@pytest.mark.parametrize("name", OPENSSL)
def test_openssls_before_ours(judges: Judges, tmp_path: Path, name: str, key: Key) -> None:
    options, expected = OPENSSL[name]
    unit = pki().unit(UnitWish(key=key, key_usage=("digital_signature",)))
    config, private, query, reply = (tmp_path / each for each in ("openssl.cnf", "key.pem", "q.tsq", "r.tsr"))
    config.write_text(AUTHORITY.format(policy=POLICY, directory=tmp_path, **{**DEFAULTS, **options}))
    private.write_bytes(unit.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    query.write_bytes(
        build_request(DigestAlgorithm.SHA256.digest(DATA), DigestAlgorithm.SHA256, nonce=NONCE, policy=POLICY)
    )
    made = run(
        *("openssl", "ts", "-reply", "-config", config, "-section", "tsa", "-queryfile", query, "-inkey", private),
        *("-signer", pem_file(tmp_path / "unit.pem", unit.certificate)),
        *("-chain", pem_file(tmp_path / "chain.pem", unit.chain[0]), "-out", reply),
    )
    assert made.returncode == 0, made.stderr
    assert judges.by_openssl(reply.read_bytes(), query.read_bytes()) == []
    report = verify(
        reply.read_bytes(),
        clock=utc_now,
        digests={DigestAlgorithm.SHA256: DigestAlgorithm.SHA256.digest(DATA)},
        request=parse_request(query.read_bytes()),
        anchors=pki().anchors,
    )
    assert report.codes - {Code.REVOCATION_NOT_CHECKED} == expected, report.findings
    assert report.unit == unit.certificate
    assert report.gen_time is not None
    assert abs(report.gen_time - datetime.now(UTC)) < timedelta(minutes=1)


def judge(made: Stamped, clock: Callable[[], datetime] = utc_now) -> Report:
    return verify(
        made.reply,
        clock=clock,
        digests={made.digest: made.digest.digest(DATA)},
        request=parse_request(made.query),
        anchors=pki().anchors,
    )
