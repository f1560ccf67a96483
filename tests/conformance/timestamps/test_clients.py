"""Other clients before our authority, each with its own query and its own checks (FTS-TS-1)."""

import asyncio
import hashlib

import aiohttp
import httpx
import pytest
import rfc3161_client
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign.timestamps import HTTPTimeStamper
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko_certvalidator import ValidationContext

from tests.support.line import POLICY, Line
from timestamping.algorithms import DigestAlgorithm
from timestamping.token import parse_token

DATA = b"what is stamped"


@pytest.mark.parametrize("algorithm", list(DigestAlgorithm), ids=str)
def test_pyhanko_asks_and_judges(full_line: Line, algorithm: DigestAlgorithm) -> None:
    """It compares media type, status and nonce itself; its validator then judges what it was given."""
    root = asn1_x509.Certificate.load(full_line.pki.root.certificate.public_bytes(Encoding.DER))

    async def work() -> None:
        async with aiohttp.ClientSession() as session:
            stamper = HTTPTimeStamper(f"{full_line.pki.base_url}/tsa", session=session)
            token = await stamper.async_timestamp(algorithm.digest(DATA), algorithm.value)
        ours = parse_token(token.dump())
        assert (ours.imprint, ours.policy) == (algorithm.digest(DATA), POLICY)
        context = ValidationContext(trust_roots=[root], allow_fetching=False)
        digest = DigestAlgorithm
        verdict = await validate_tst_signed_data(token["content"], context, lambda name: digest(name).digest(DATA))
        assert (verdict["intact"], verdict["valid"], verdict["trust_problem_indic"]) == (True, True, None)

    asyncio.run(work())


@pytest.mark.parametrize("hashed", [rfc3161_client.HashAlgorithm.SHA256, rfc3161_client.HashAlgorithm.SHA512], ids=str)
def test_rfc3161_client_asks_and_judges(full_line: Line, hashed: rfc3161_client.HashAlgorithm) -> None:
    builder = rfc3161_client.TimestampRequestBuilder().data(DATA).hash_algorithm(hashed)
    request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
    headers = {"content-type": "application/timestamp-query"}
    url = f"{full_line.pki.base_url}/tsa"
    answer = httpx.post(url, content=request.as_bytes(), headers=headers, trust_env=False)
    response = rfc3161_client.decode_timestamp_response(answer.content)
    verifier = (
        rfc3161_client.VerifierBuilder.from_request(request)
        .add_root_certificate(full_line.pki.root.certificate)
        .policy_id(x509.ObjectIdentifier(POLICY))
        .build()
    )
    digest = hashlib.sha256 if hashed is rfc3161_client.HashAlgorithm.SHA256 else hashlib.sha512
    assert verifier.verify(response, digest(DATA).digest())
    with pytest.raises(rfc3161_client.VerificationError):
        verifier.verify(response, digest(DATA + b"!").digest())
