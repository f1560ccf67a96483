"""First call of a signature in a container: what is to be signed (EN 319 162-1, clauses 4.3.3 and 4.4.3)."""

import os
from collections.abc import Sequence

from cryptography import x509

from signing.asic.paths import check_name, check_names
from signing.asic.ports import Container, ContainerError, ContainerTooLargeError
from signing.limits import LIMITS
from signing.ports import Profile
from signing.trust.validation_data import ValidationDataEngine
from signing.xades.ports import DataObject, Packaging, SignaturePolicy
from signing.xades.prepare import prepare as prepare_detached
from signing.xades.state import Prepared
from timestamping.clock import Clock

_OWN_ENTRIES = 3
"""Entries beside the files: `mimetype`, the manifest, the signature."""


async def prepare(
    objects: Sequence[DataObject],
    container: Container,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    profile: Profile,
    *,
    engine: ValidationDataEngine,
    clock: Clock,
    policy: SignaturePolicy | None = None,
) -> Prepared:
    """Check certificate and files and build the octets to be signed: a detached signature over each file.

    Args:
        objects: the files; exactly one, in no folder, for ASiC-S. For a further signature in a container that is there,
            the files of it (`signing.asic.reading.opened`).
        container: the kind of container.
        certificate: the signer's certificate.
        chain: issuers that came with it, in any order; none is trusted.
        profile: level and algorithms.
        engine: anchors, and the source of revocation data.
        clock: the time that goes into SigningTime.
        policy: the signature policy, for EPES.

    Raises:
        ContainerError: a file cannot stand in a container, or they are too many or too large.
        CertificateError: the certificate may not sign, now.
        RevocationError: its revocation cannot be established.
        DocumentError: a file cannot be signed.
    """
    check_files(objects, container)
    return await prepare_detached(
        objects, Packaging.DETACHED, certificate, chain, profile, engine=engine, clock=clock, policy=policy
    )


def check_files(objects: Sequence[DataObject], container: Container) -> None:
    """Check that files can stand in a container.

    Raises:
        ContainerError: a name is not possible, or they are too many or too large.
    """
    if container is Container.ASIC_S:
        if len(objects) != 1:
            raise ContainerError(f"an ASiC-S holds one file, not {len(objects)}")
        check_name(objects[0].name)
    if len(objects) + _OWN_ENTRIES > LIMITS.container_entries:
        raise ContainerTooLargeError(f"a container has at most {LIMITS.container_entries} entries")
    check_names([each.name for each in objects])
    if sum(each.stream.seek(0, os.SEEK_END) for each in objects) > LIMITS.container_bytes:
        raise ContainerTooLargeError(f"the files have more than {LIMITS.container_bytes} octets")
