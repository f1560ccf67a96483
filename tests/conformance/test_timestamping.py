"""The authority's tokens, rejections and HTTP door, judged by OpenSSL and asn1crypto (RFC 3161)."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import httpx
import pytest
from asn1crypto import algos, cms, tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.conformance.defective_tokens import EXTENSION, SHA1
from tests.conformance.evidence import token_info
from tests.conformance.programs import OpenSsl, run
from tests.conformance.raw_pdf import children, content, signed_attribute_types
from tests.support.line import POLICY, Line
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.authority import Authority
from timestamping.authority.factory import SoftwareTsuKey
from timestamping.authority.policies import Accuracy, Policies
from timestamping.authority.unit import TimestampingUnit
from timestamping.clock import utc_now

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
DATA = b"what is stamped"


@pytest.fixture(scope="module")
def client(full_line: Line) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=full_line.pki.base_url, trust_env=False) as opened:
        yield opened


def ask(client: httpx.Client, query: bytes) -> bytes:
    """The authority's reply to a query."""
    response = client.post("/tsa", content=query, headers={"content-type": QUERY})
    assert response.status_code == 200
    assert response.headers["content-type"] == REPLY
    assert response.headers["content-length"] == str(len(response.content))
    return response.content


def token_of(answer: bytes) -> bytes:
    """The token in a reply."""
    return children(answer)[1]


@pytest.mark.parametrize("with_certificate", [True, False], ids=["certReq", "no certReq"])
@pytest.mark.parametrize("with_nonce", [True, False], ids=["nonce", "no nonce"])
@pytest.mark.parametrize("with_policy", [True, False], ids=["policy", "no policy"])
@pytest.mark.parametrize("digest", list(DigestAlgorithm), ids=str)
def test_openssl_verifies_against_its_own_query(
    full_line: Line,
    client: httpx.Client,
    openssl: OpenSsl,
    digest: DigestAlgorithm,
    with_policy: bool,
    with_nonce: bool,
    with_certificate: bool,
) -> None:
    options = ["-tspolicy", POLICY] if with_policy else []
    options += ["-cert"] if with_certificate else []
    options += [] if with_nonce else ["-no_nonce"]
    query = openssl.query(digest.digest(DATA), digest, *options)
    answer = ask(client, query)
    tsu = full_line.pki.tsu
    untrusted = full_line.pem("tsu-chain", tsu.certificate, *tsu.chain)
    assert openssl.reply_to_query(answer, query, untrusted=untrusted) == []
    if with_certificate:
        assert openssl.reply_to_query(answer, query) == []
        assert openssl.token_over_data(token_of(answer), DATA) == []
        assert openssl.token_over_digest(token_of(answer), digest.digest(DATA)) == []
    else:
        assert openssl.reply_to_query(answer, query) != []
    info = token_info(token_of(answer))
    assert info["nonce"].native == tsp.TimeStampReq.load(query)["nonce"].native
    assert (info["nonce"].native is not None) == with_nonce
    assert info["policy"].dotted == POLICY
    other = openssl.query(digest.digest(DATA + b"!"), digest, *options)
    assert openssl.reply_to_query(answer, other, untrusted=untrusted) != []


def test_fields_of_the_token(client: httpx.Client, openssl: OpenSsl) -> None:
    before = utc_now().replace(microsecond=0)
    query = openssl.query(DigestAlgorithm.SHA256.digest(DATA), "sha256", "-cert")
    info = token_info(token_of(ask(client, query)))
    assert re.fullmatch(rb"\x18\x0f\d{14}Z", info["gen_time"].dump())
    assert before <= info["gen_time"].native <= utc_now()
    assert info["version"].native == "v1"
    assert info["accuracy"].native == {"seconds": 1, "millis": None, "micros": None}
    assert info["ordering"].native is False
    assert info["extensions"].native is None
    assert 0 < info["serial_number"].native < 1 << 160


def test_signed_attributes_name_the_certificate(full_line: Line, client: httpx.Client, openssl: OpenSsl) -> None:
    certificate = full_line.pki.tsu.certificate
    query = openssl.query(DigestAlgorithm.SHA256.digest(DATA), "sha256", "-cert")
    token = token_of(ask(client, query))
    signed = cms.ContentInfo.load(token)["content"]
    assert signed["version"].native == "v3"
    (signer,) = signed["signer_infos"]
    attributes = {each["type"].native: each["values"] for each in signer["signed_attrs"]}
    assert set(attributes) == {"content_type", "message_digest", "signing_certificate_v2"}
    assert len(signed_attribute_types(token)) == 3
    assert attributes["content_type"].native == ["tst_info"]
    (named,) = attributes["signing_certificate_v2"][0]["certs"]
    assert named["hash_algorithm"]["algorithm"].native == "sha256"
    assert named["cert_hash"].native == certificate.fingerprint(hashes.SHA256())
    assert named["issuer_serial"]["serial_number"].native == certificate.serial_number
    (issuer,) = named["issuer_serial"]["issuer"]
    assert issuer.chosen.untag().dump() == certificate.issuer.public_bytes()
    assert signer["sid"].chosen["serial_number"].native == certificate.serial_number
    assert signer["unsigned_attrs"].native is None


def test_the_units_certificate_is_for_timestamps_alone(full_line: Line) -> None:
    usage = full_line.pki.tsu.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usage.critical
    assert list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]


@pytest.mark.parametrize("digest", list(DigestAlgorithm), ids=str)
@pytest.mark.parametrize("nonce", [None, 0, 1, 127, 128, 255, 256, (1 << 64) - 1, 1 << 255])
def test_tokens_are_der(client: httpx.Client, digest: DigestAlgorithm, nonce: int | None) -> None:
    """asn1crypto, which writes DER, encodes what it read to the same octets."""
    answer = ask(client, request(digest=digest, nonce=nonce).dump())
    token = cms.ContentInfo.load(token_of(answer), strict=True)
    assert token.native
    inner = token["content"]["encap_content_info"]["content"].parsed
    assert inner.native["nonce"] == nonce
    assert tsp.TSTInfo.load(inner.dump(), strict=True).dump(force=True) == inner.dump()
    assert token.dump(force=True) == token_of(answer)


def test_serial_numbers_are_unique_over_ten_thousand(full_line: Line) -> None:
    tsu = full_line.pki.tsu
    unit = TimestampingUnit(SoftwareTsuKey(tsu.key), tsu.certificate)
    authority = Authority(unit, utc_now, policies=Policies(POLICY))
    query = request(certificate=False).dump()

    async def ask_often() -> set[bytes]:
        return {serial_number(await authority.reply(query)) for _ in range(10_000)}

    serials = asyncio.run(ask_often())
    assert len(serials) == 10_000
    assert all(len(content(serial)) <= 20 and content(serial)[0] < 0x80 for serial in serials)


def test_openssl_reads_fraction_accuracy_policies_and_the_qualified_statement(
    full_line: Line, openssl: OpenSsl, tmp_path: Path
) -> None:
    """T-12; ETSI EN 319 422: milliseconds, an accuracy of its own, a second policy, the statement, not critical."""
    tsu = full_line.pki.tsu
    unit = TimestampingUnit(SoftwareTsuKey(tsu.key), tsu.certificate, tsu.chain[:1])
    authority = Authority(
        unit,
        lambda: utc_now().replace(microsecond=120_999),
        policies=Policies(POLICY, ["0.4.0.2023.1.1"]),
        accuracy=Accuracy(0, 500, 7),
        qualified=True,
        milliseconds=True,
        self_check=True,
    )
    query = openssl.query(DigestAlgorithm.SHA256.digest(DATA), "sha256", "-cert", "-tspolicy", "0.4.0.2023.1.1")
    answer = asyncio.run(authority.reply(query))
    assert openssl.reply_to_query(answer, query) == []
    path = tmp_path / "reply.tsr"
    path.write_bytes(answer)
    text = run("openssl", "ts", "-reply", "-in", path, "-text").stdout
    assert "Policy OID: 0.4.0.2023.1.1" in text
    assert re.search(r"Time stamp: .*:\d\d\.12 20\d\d GMT", text)
    assert "Accuracy: unspecified seconds, 0x01F4 millis, 0x07 micros" in text
    assert "qcStatements:" in text
    assert "critical" not in text
    info = token_info(token_of(answer))
    (extension,) = info["extensions"]
    assert (extension["extn_id"].dotted, extension["critical"].native) == ("1.3.6.1.5.5.7.1.3", False)
    assert extension["extn_value"].native == bytes.fromhex("300b 3009 0607 0400 81975e 0101")


def serial_number(answer: bytes) -> bytes:
    """The encoding of a token's serial number, found without a library."""
    signed_data = children(children(token_of(answer))[1])[0]
    encapsulated = children(signed_data)[2]
    octets = content(children(children(encapsulated)[1])[0])
    return children(octets)[3]


def request(
    *,
    version: int = 1,
    digest: str = "sha256",
    imprint: bytes | None = None,
    policy: str | None = None,
    nonce: int | None = 4711,
    certificate: bool = True,
    extensions: list[dict[str, object]] | None = None,
) -> tsp.TimeStampReq:
    """A TimeStampReq by asn1crypto."""
    size = 20 if digest == SHA1 else DigestAlgorithm(digest).size
    fields: dict[str, object] = {
        "version": version,
        "message_imprint": {
            "hash_algorithm": algos.DigestAlgorithm({"algorithm": digest}),
            "hashed_message": bytes(size) if imprint is None else imprint,
        },
        "req_policy": policy,
        "nonce": nonce,
        "cert_req": certificate,
        "extensions": extensions,
    }
    return tsp.TimeStampReq({name: value for name, value in fields.items() if value is not None})


BAD_ALG = "unrecognized or unsupported algorithm identifier"
BAD_REQUEST = "transaction not permitted or supported"
BAD_DATA = "the data submitted has the wrong format"
BAD_POLICY = "the requested TSA policy is not supported by the TSA"
BAD_EXTENSION = "the requested extension is not supported by the TSA"
REJECTED: Mapping[str, tuple[bytes, str]] = MappingProxyType(
    {
        "version 0": (request(version=0).dump(), BAD_REQUEST),
        "version 2": (request(version=2).dump(), BAD_REQUEST),
        "SHA-1": (request(digest=SHA1).dump(), BAD_ALG),
        "imprint too short": (request(imprint=bytes(31)).dump(), BAD_DATA),
        "imprint too long": (request(imprint=bytes(33)).dump(), BAD_DATA),
        "imprint empty": (request(imprint=b"").dump(), BAD_DATA),
        "imprint of another algorithm": (request(digest="sha512", imprint=bytes(32)).dump(), BAD_DATA),
        "unknown policy": (request(policy="2.25.1").dump(), BAD_POLICY),
        "extension": (request(extensions=[EXTENSION]).dump(), BAD_EXTENSION),
        "critical extension": (request(extensions=[EXTENSION | {"critical": True}]).dump(), BAD_EXTENSION),
        "trailing octets": (request().dump() + b"\0", BAD_DATA),
        "two queries": (request().dump() * 2, BAD_DATA),
        "empty": (b"", BAD_DATA),
        "text": (b"GET / HTTP/1.1\r\n\r\n", BAD_DATA),
        "cut off": (request().dump()[:-1], BAD_DATA),
        "indefinite length": (b"\x30\x80" + content(request().dump()) + b"\0\0", BAD_DATA),
        "length in two octets": (b"\x30\x81" + request().dump()[1:], BAD_DATA),
        "a TRUE that is 1": (request().dump()[:-1] + b"\1", BAD_DATA),
        "a FALSE that is stated": (request(certificate=True).dump()[:-1] + b"\0", BAD_DATA),
    }
)


@pytest.mark.parametrize("name", REJECTED)
def test_openssl_reads_the_reason_of_a_rejection(client: httpx.Client, tmp_path: Path, name: str) -> None:
    query, reason = REJECTED[name]
    path = tmp_path / "reply.tsr"
    path.write_bytes(ask(client, query))
    result = run("openssl", "ts", "-reply", "-in", path, "-text")
    assert "Status: Rejected." in result.stdout, result.stderr
    assert f"Failure info: {reason}" in result.stdout
    assert "TST info:\nNot included." in result.stdout


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_not_allowed(client: httpx.Client, method: str) -> None:
    response = client.request(method, "/tsa", headers={"content-type": QUERY})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


def test_a_query_too_large(client: httpx.Client) -> None:
    assert client.post("/tsa", content=bytes(65_537), headers={"content-type": QUERY}).status_code == 413


@pytest.mark.parametrize("media_type", [None, "application/octet-stream", "text/plain", REPLY])
def test_other_media_types_are_not_supported(client: httpx.Client, media_type: str | None) -> None:
    headers = {"content-type": media_type} if media_type else {}
    assert client.post("/tsa", content=request().dump(), headers=headers).status_code == 415


def test_media_type_with_parameter_and_capitals(client: httpx.Client) -> None:
    headers = {"content-type": "Application/Timestamp-Query; x=1"}
    assert client.post("/tsa", content=request().dump(), headers=headers).status_code == 200
