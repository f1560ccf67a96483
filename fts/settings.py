"""What an operator decides, before anything is wired."""

from dataclasses import dataclass

from cryptography import x509

from timestamping.client.settings import TsaSettings


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """What reading one document may cost; beyond it, its process ends (FTS-SEC-4)."""

    memory_bytes: int = 2 * 1024**3
    """Address space of the process."""
    cpu_seconds: float = 45.0
    """Processor time."""
    wall_seconds: float = 60.0
    """Time, without what the signer takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Whom to trust and where to go."""

    anchors: tuple[x509.Certificate, ...]
    """Trust anchors."""
    tsa_url: str | None = None
    """The timestamping authority; None where no timestamp is needed (level B, verification)."""
    allowed_urls: tuple[str, ...] = ()
    """URLs whose host and port the outbound guard would refuse: internal addresses, other ports. Those of the TSA are
    always allowed, because the operator named it."""
    limits: DocumentLimits = DocumentLimits()
    further_tsas: tuple[TsaSettings, ...] = ()
    """Authorities that are asked, in this order, where the first one fails."""

    @property
    def tsas(self) -> tuple[TsaSettings, ...]:
        """All authorities, in their order."""
        first = () if self.tsa_url is None else (TsaSettings(self.tsa_url),)
        return (*first, *self.further_tsas)
