"""pyHanko as a peer, as a careful user of the library writes it: `python -m tests.bench.plain_pyhanko`.

One call of `PdfSigner` to level LTA with the library's settings, but: the key stays loaded (the library's own signer
parses it for each signature), HTTP connections, CRLs and fetched certificates are kept, OCSP responses are fetched for
each signature, and hashing reads 1 MiB at a time.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from asn1crypto import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers.pdf_cms import Signer
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.timestamps import HTTPTimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.fetchers import Fetchers
from pyhanko_certvalidator.fetchers.aiohttp_fetchers import AIOHttpFetcherBackend

from tests.bench.scene import Scene
from tests.bench.worker import Operation, serve
from timestamping.algorithms import DigestAlgorithm

_CHUNK = 1024 * 1024
_DIGEST = DigestAlgorithm.SHA256


class KeptKeySigner(Signer):
    """Signs with a key object in memory and answers dry runs with zeros."""

    def __init__(
        self,
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
        certificate: x509.Certificate,
        issuers: list[x509.Certificate],
    ) -> None:
        super().__init__(signing_cert=certificate)
        self.cert_registry.register_multiple(issuers)
        self._key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        if dry_run:
            return bytes(self._largest_value())
        digest = DigestAlgorithm(digest_algorithm).primitive
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), digest)
        return self._key.sign(data, ec.ECDSA(digest))

    def _largest_value(self) -> int:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.key_size // 8
        largest = 2**self._key.key_size - 1
        return len(encode_dss_signature(largest, largest))


@asynccontextmanager
async def signing(scene: Scene) -> AsyncIterator[Operation]:
    """Sign from file to file."""
    certificate, *issuers = (load_cert_from_pemder(path) for path in scene.chain)
    root = load_cert_from_pemder(scene.root)
    signer = KeptKeySigner(scene.read_key(), certificate, issuers)

    async with aiohttp.ClientSession() as session:
        timestamper = HTTPTimeStamper(scene.tsa_url, session=session)
        backend = AIOHttpFetcherBackend(session)
        kept = backend.get_fetchers()

        def validation_context() -> ValidationContext:
            fetchers = Fetchers(
                ocsp_fetcher=backend.get_fetchers().ocsp_fetcher,
                crl_fetcher=kept.crl_fetcher,
                cert_fetcher=kept.cert_fetcher,
            )
            return ValidationContext(
                trust_roots=[root],
                other_certs=issuers,
                allow_fetching=True,
                revocation_mode="hard-fail",
                fetchers=fetchers,
            )

        async def sign(document: Path, signed: Path) -> None:
            metadata = PdfSignatureMetadata(
                field_name="Signature",
                md_algorithm=_DIGEST.value,
                subfilter=SigSeedSubFilter.PADES,
                embed_validation_info=True,
                use_pades_lta=True,
                validation_context=validation_context(),
            )
            with document.open("rb") as source, signed.open("w+b") as output:
                await PdfSigner(metadata, signer, timestamper=timestamper).async_sign_pdf(
                    IncrementalPdfFileWriter(source), output=output, chunk_size=_CHUNK
                )

        yield sign


if __name__ == "__main__":
    serve(signing)
