"""A signing line of which every part can be exchanged, and what tests exchange."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from deploy.demo_pki import certificates
from deploy.demo_pki.asgi import ASGIApp, Receive, Scope, Send
from deploy.demo_pki.certificates import Validity
from deploy.demo_pki.pki import DemoPki, Entity
from signing.pades.finish import finish
from signing.pades.prepare import prepare
from signing.pades.release import release
from signing.pades.source import PdfSource
from signing.pades.state import Prepared
from signing.ports import (
    Finished,
    Level,
    Profile,
    SigningError,
)
from tests.samples.writer import classic, text_pages
from tests.support.line import Line
from tests.unit.signing.issuing import Holder
from timestamping.clock import utc_now
from timestamping.ports import TimestampError

DOCUMENT = classic(text_pages(1))
ABOVE_T = (Level.LT, Level.LTA)
STAMPED = (Level.T, Level.LT, Level.LTA)


class Switch:
    """Whatever timestamping authority a test puts in."""

    def __init__(self, app: ASGIApp) -> None:
        self.current = self.usual = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.current(scope, receive, send)


@dataclass
class Failing:
    """A line whose parts can be exchanged."""

    line: Line
    tsa: Switch

    @property
    def pki(self) -> DemoPki:
        return self.line.pki

    def place(self, path: str) -> str:
        return self.pki.base_url + path

    def refusal(
        self,
        expected: type[SigningError | TimestampError],
        signer: Entity | str = "p384",
        *,
        level: Level = Level.LTA,
        between: Callable[[Prepared], None] = lambda _: None,
    ) -> SigningError | TimestampError:
        """Return the error, of exactly this class, in which signing ends."""
        with pytest.raises(expected) as caught:
            self.line.sign(DOCUMENT, signer, Profile(level), between=between)
        assert type(caught.value) is expected
        return caught.value


def entity(name: str, key: certificates.PrivateKey, pki: DemoPki, *, ocsp: bool = True, crl: bool = True) -> Entity:
    """Return a signer with a true certificate of the citizen CA that its responder has no record of."""
    now = datetime.now(UTC).replace(microsecond=0)
    certificate = certificates.signer_certificate(
        name,
        key,
        pki.citizen_ca,
        Validity.of_years(now - timedelta(days=1), 1),
        pki.base_url,
        national_number=certificates.fictitious_national_number(900),
        key_usage="non_repudiation",
        ocsp=ocsp,
        crl=crl,
    )
    return Entity(name, key, certificate, (pki.citizen_ca.certificate, pki.root.certificate))


def as_entity(holder: Holder, *chain: Holder) -> Entity:
    return Entity("holder", holder.key, holder.certificate, tuple(h.certificate for h in chain))


def prepared_by(failing: Failing, *, level: Level = Level.LTA, document: bytes = DOCUMENT) -> Prepared:
    person = failing.pki.signers["p384"]
    return failing.line.run(
        lambda client: prepare(
            PdfSource(io.BytesIO(document)),
            person.certificate,
            person.chain,
            Profile(level),
            engine=failing.line.engine(client),
            clock=utc_now,
        )
    )


def finished(failing: Failing, prepared: Prepared, value: bytes, document: bytes = DOCUMENT) -> tuple[Finished, bytes]:
    output = io.BytesIO()
    made = failing.line.run(
        lambda client: finish(
            io.BytesIO(document),
            prepared,
            value,
            output,
            engine=failing.line.engine(client),
            timestamps=failing.line.timestamps(client),
            clock=utc_now,
        )
    )
    release(io.BytesIO(document), output, prepared.profile.level, failing.line.anchors, clock=utc_now)
    return made, output.getvalue()
