"""Programs of other makers that judge a reply against its query: OpenSSL's `ts -verify` and rfc3161-client."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import rfc3161_client
from cryptography import x509

from tests.conformance.programs import Complaints, OpenSsl
from tests.conformance.timestamps.units import pem_file, pki


@dataclass(frozen=True)
class Judges:
    """Both, with the run's root as the only anchor; complaints are empty where all is well."""

    openssl: OpenSsl

    @classmethod
    def in_directory(cls, directory: Path) -> "Judges":
        """Keep the root and the files under judgement in a directory."""
        return cls(OpenSsl(pem_file(directory / "root.pem", *pki().anchors), directory))

    def by_openssl(self, reply: bytes, query: bytes, *, untrusted: Path | None = None) -> Complaints:
        """`openssl ts -verify -queryfile`."""
        return self.openssl.reply_to_query(reply, query, untrusted=untrusted)

    def by_rfc3161_client(
        self, reply: bytes, data: bytes, *, change: Callable[..., rfc3161_client.VerifierBuilder] | None = None
    ) -> Complaints:
        """`Verifier.verify_message`, without further options unless `change` sets some."""
        builder = rfc3161_client.VerifierBuilder()
        for root in pki().anchors:
            builder = builder.add_root_certificate(root)
        if change is not None:
            builder = change(builder)
        try:
            answer = rfc3161_client.decode_timestamp_response(reply)
            taken = builder.build().verify_message(answer, data)
        except (ValueError, rfc3161_client.VerificationError, x509.InvalidVersion) as error:
            return [f"rfc3161-client: {error}"]
        return [] if taken else ["rfc3161-client: false"]
