"""Our timestamping client with an authority whose replies are right but for one thing (RFC 3161, 2.2 and 2.4.2)."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.demo_pki.pki import Entity
from tests.conformance.defective_tokens import (
    EXTENSION,
    SHA1,
    Defect,
    Parts,
    directory_name,
    ess_v1,
    ess_v2,
    raw_time,
    reply,
)
from tests.conformance.driving import ballast_certificate
from tests.conformance.programs import OpenSsl, run
from tests.conformance.raw_pdf import children
from tests.support.line import POLICY, Line
from timestamping.algorithms import DigestAlgorithm
from timestamping.client.http import HttpTimestampSource
from timestamping.clock import utc_now
from timestamping.ports import (
    TimestampError,
    TimestampInvalidError,
    TimestampRejectedError,
    TimestampUnavailableError,
    Token,
)

DATA = b"what is stamped"
REPLY = "application/timestamp-reply"


def _info(**fields: object) -> Defect:
    return lambda parts: parts.info.update(fields)


def _attribute(name: str, value: object) -> Defect:
    return lambda parts: parts.attributes.update({name: value})


def _without(name: str) -> Defect:
    return lambda parts: parts.attributes.pop(name)


def _part(name: str, value: object) -> Defect:
    return lambda parts: setattr(parts, name, value)


def _other_imprint(parts: Parts) -> None:
    parts.info["message_imprint"]["hashed_message"] = bytes(32)


def _other_hash(parts: Parts) -> None:
    parts.info["message_imprint"] = {
        "hash_algorithm": {"algorithm": "sha512"},
        "hashed_message": bytes(64),
    }


def _weak_hash(parts: Parts) -> None:
    parts.digest = SHA1


def _first_version_of_ess(parts: Parts) -> None:
    del parts.attributes["signing_certificate_v2"]
    parts.attributes["signing_certificate"] = ess_v1(parts.tsu.certificate)


def _ca_alone(parts: Parts) -> None:
    del parts.certificates[0]


def _moved(offset: timedelta) -> Defect:
    def defect(parts: Parts) -> None:
        parts.info["gen_time"] += offset

    return defect


STAMP = f"{utc_now():%Y%m%d%H%M%S}"
DEFECTS: Mapping[str, tuple[Defect, type[TimestampError], str]] = MappingProxyType(
    {
        "wrong nonce": (lambda p: p.info.update(nonce=p.info["nonce"] + 1), TimestampInvalidError, "another nonce"),
        "no nonce": (_info(nonce=None), TimestampInvalidError, "another nonce"),
        "negative nonce": (lambda p: p.info.update(nonce=-p.info["nonce"]), TimestampInvalidError, "another nonce"),
        "other imprint": (_other_imprint, TimestampInvalidError, "another imprint"),
        "imprint of another algorithm": (_other_hash, TimestampInvalidError, "another imprint"),
        "other policy": (_info(policy="2.25.1"), TimestampInvalidError, "another policy"),
        "TSTInfo version 2": (_info(version=2), TimestampInvalidError, "version is not 1"),
        "ESSCertID v1": (_first_version_of_ess, TimestampInvalidError, "signing-certificate-v2 is missing"),
        "no signing-certificate": (
            _without("signing_certificate_v2"),
            TimestampInvalidError,
            "signing-certificate-v2 is missing",
        ),
        "signing-certificate of the CA": (
            lambda p: p.attributes.update(signing_certificate_v2=ess_v2(p.tsu.chain[0])),
            TimestampInvalidError,
            "names another certificate",
        ),
        "no content-type": (_without("content_type"), TimestampInvalidError, "occurs 0 times"),
        "content-type data": (_attribute("content_type", "data"), TimestampInvalidError, "content type differs"),
        "eContentType data": (_part("content_type", "data"), TimestampInvalidError, "no TSTInfo"),
        "no message-digest": (_without("message_digest"), TimestampInvalidError, "occurs 0 times"),
        "wrong message-digest": (
            _attribute("message_digest", bytes(32)),
            TimestampInvalidError,
            "message digest does not match",
        ),
        "tsa of another name": (
            lambda p: p.info.update(tsa=directory_name(p.tsu.certificate.issuer)),
            TimestampInvalidError,
            "tsa name differs",
        ),
        "negative serial number": (_info(serial_number=-1), TimestampInvalidError, "serial number is negative"),
        "serial number of 161 bits": (_info(serial_number=1 << 160), TimestampInvalidError, "longer than 160 bits"),
        "genTime with offset": (
            _info(gen_time=raw_time(STAMP + "+0100")),
            TimestampInvalidError,
            "genTime is not in the form",
        ),
        "genTime without zone": (_info(gen_time=raw_time(STAMP)), TimestampInvalidError, "genTime is not in the form"),
        "genTime without seconds": (
            _info(gen_time=raw_time("202611241200Z")),
            TimestampInvalidError,
            "genTime is not in the form",
        ),
        "genTime with a fraction that ends in 0": (
            _info(gen_time=raw_time(STAMP + ".50Z")),
            TimestampInvalidError,
            "genTime is not in the form",
        ),
        "genTime with an empty fraction": (
            _info(gen_time=raw_time(STAMP + ".Z")),
            TimestampInvalidError,
            "genTime is not in the form",
        ),
        "genTime that is no time": (
            _info(gen_time=raw_time("20261399250000Z")),
            TimestampInvalidError,
            "invalid timestamp token",
        ),
        "genTime before the certificate": (
            _moved(timedelta(days=-30)),
            TimestampInvalidError,
            "outside the TSU certificate",
        ),
        "genTime behind the certificate": (
            _moved(timedelta(days=16 * 365)),
            TimestampInvalidError,
            "outside the TSU certificate",
        ),
        "critical extension": (
            _info(extensions=[EXTENSION | {"critical": True}]),
            TimestampInvalidError,
            "critical extension",
        ),
        "SHA-1": (_weak_hash, TimestampInvalidError, "not accepted"),
        "certificate left out": (_part("certificates", []), TimestampInvalidError, "not embedded"),
        "certificate of the CA alone": (_ca_alone, TimestampInvalidError, "not embedded"),
        "two signers": (_part("signers", 2), TimestampInvalidError, "2 signers"),
        "no signer": (_part("signers", 0), TimestampInvalidError, "0 signers"),
        "another key": (
            _part("key", ec.generate_private_key(ec.SECP256R1())),
            TimestampInvalidError,
            "signature value does not match",
        ),
        "granted without a token": (_part("with_token", False), TimestampInvalidError, "without a token"),
        "rejected with a token": (_part("status", 2), TimestampRejectedError, "refused: rejection"),
        "waiting": (_part("status", 3), TimestampRejectedError, "refused: waiting"),
        "octets behind the reply": (
            _part("behind", b"\0"),
            TimestampUnavailableError,
            "did not answer with a timestamp reply",
        ),
    }
)
ACCEPTED: Mapping[str, Defect] = MappingProxyType(
    {
        "none": lambda _: None,
        "granted with modifications": _part("status", 1),
        "tsa names the certificate": lambda p: p.info.update(tsa=directory_name(p.tsu.certificate.subject)),
        "an extension that is not critical": _info(extensions=[EXTENSION]),
        "no accuracy": _info(accuracy=None),
    }
)


@pytest.mark.parametrize("name", ACCEPTED)
def test_good_replies_are_taken(full_line: Line, openssl: OpenSsl, name: str) -> None:
    token = stamped(full_line.pki.tsu, ACCEPTED[name])
    assert token.imprint == DigestAlgorithm.SHA256.digest(DATA)
    assert openssl.token_over_data(token.der, DATA) == []


def test_tokens_of_every_length_come_back_octet_for_octet(full_line: Line) -> None:
    """Lengths that end in 80 look like the indefinite form to some readers, which then encode anew."""
    tsu = full_line.pki.tsu
    endings = set()
    for octets in range(1_000, 2_600):
        if octets >= 1_300 and 0x80 in endings:  # signatures differ in length, so that one ending may be left out
            break
        ballast = ballast_certificate(tsu, octets)
        replies: list[bytes] = []

        def answer(
            request: httpx.Request, ballast: x509.Certificate = ballast, replies: list[bytes] = replies
        ) -> httpx.Response:
            replies.append(reply(request.content, tsu, lambda parts: parts.certificates.append(ballast)))
            return httpx.Response(200, content=replies[0], headers={"content-type": REPLY})

        token = asked(answer).der
        assert token == children(replies[0])[1]
        endings.add(token[3])
    assert 0x80 in endings


OPENSSL_AUTHORITY = """
[tsa]
default_policy = {policy}
serial = {directory}/serial
signer_digest = sha256
digests = sha256
accuracy = secs:1
tsa_name = {tsa_name}
ess_cert_id_alg = {ess}
"""


@pytest.mark.parametrize(
    ("tsa_name", "ess", "error"),
    [
        ("no", "sha256", None),
        pytest.param("yes", "sha256", None),
        ("no", "sha1", TimestampInvalidError),
    ],
    ids=["plain", "tsa name", "ESSCertID v1"],
)
def test_tokens_made_by_openssl(
    full_line: Line, tmp_path: Path, tsa_name: str, ess: str, error: type[TimestampError] | None
) -> None:
    tsu = full_line.pki.tsu
    key, config, query, answer = (tmp_path / name for name in ("key.pem", "openssl.cnf", "query", "answer"))
    key.write_bytes(tsu.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    config.write_text(OPENSSL_AUTHORITY.format(policy=POLICY, directory=tmp_path, tsa_name=tsa_name, ess=ess))
    certificate, chain = full_line.pem("openssl-tsu", tsu.certificate), full_line.pem("openssl-chain", tsu.chain[0])

    def openssl_answers(request: httpx.Request) -> httpx.Response:
        query.write_bytes(request.content)
        result = run(
            *("openssl", "ts", "-reply", "-config", config, "-section", "tsa", "-queryfile", query),
            *("-signer", certificate, "-inkey", key, "-chain", chain, "-out", answer),
        )
        assert result.returncode == 0, result.stderr
        return httpx.Response(200, content=answer.read_bytes(), headers={"content-type": REPLY})

    if error is None:
        assert asked(openssl_answers).tsu_certificate == tsu.certificate
    else:
        with pytest.raises(error):
            asked(openssl_answers)


@pytest.mark.parametrize("name", DEFECTS)
def test_defective_replies_are_refused(full_line: Line, name: str) -> None:
    defect, error, reason = DEFECTS[name]
    with pytest.raises(error, match=reason) as caught:
        stamped(full_line.pki.tsu, defect)
    assert type(caught.value) is error


def test_a_unit_whose_usage_is_not_critical_is_refused(full_line: Line) -> None:
    tsu = full_line.pki.issue_tsu("lenient", extended_key_usage_critical=False)
    with pytest.raises(TimestampInvalidError, match="extended key usage"):
        stamped(tsu, ACCEPTED["none"])


def test_an_authority_as_unit_is_refused(full_line: Line) -> None:
    with pytest.raises(TimestampInvalidError, match="extended key usage"):
        stamped(full_line.pki.timestamping_ca, ACCEPTED["none"])


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, content=b"<html>", headers={"content-type": "text/html"}),
        httpx.Response(200, content=b"", headers={"content-type": REPLY}),
        httpx.Response(200, content=b"\x30\x03\x02\x01", headers={"content-type": REPLY}),
        httpx.Response(500, content=b"", headers={"content-type": REPLY}),
        httpx.Response(302, headers={"location": "/elsewhere"}),
    ],
    ids=["a page", "nothing", "cut off", "500", "302"],
)
def test_what_is_no_reply_is_refused(response: httpx.Response) -> None:
    with pytest.raises(TimestampUnavailableError):
        asked(lambda _: response)


def stamped(tsu: Entity, defect: Defect) -> Token:
    """Ask an authority with this defect for a token over the data, under its policy."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=reply(request.content, tsu, defect), headers={"content-type": REPLY})

    return asked(answer)


def asked(answer: Callable[[httpx.Request], httpx.Response]) -> Token:
    """Ask for a token over the data where this answers."""

    async def work() -> Token:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            source = HttpTimestampSource(client, "http://tsa.test/", policy=POLICY)
            return await source.timestamp(DigestAlgorithm.SHA256.digest(DATA), DigestAlgorithm.SHA256)

    return asyncio.run(work())
