"""How often a detached file is read, whatever its size (FTS-SIG-8)."""

import io

import httpx
import pytest

from signing.ports import Level, Profile
from signing.xades.finish import finish
from signing.xades.names import ds
from signing.xades.ports import DataObject, Packaging
from signing.xades.prepare import prepare
from signing.xades.references import References, UnresolvedReferenceError
from signing.xades.verify import verify
from signing.xml.c14n import XmlDocument
from tests.support.line import Line, sign_value
from tests.support.xades import INVOICE, sign_xml
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import utc_now

SIZE = 3_000_000


class Counted(io.BytesIO):
    """Counts the octets that are read, and knows the largest part."""

    def __init__(self) -> None:
        super().__init__(b"\x01\x02\x03" * (SIZE // 3))
        self.octets = 0
        self.largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        part = super().read(size)
        self.octets += len(part)
        self.largest = max(self.largest, len(part))
        return part

    def readings(self) -> float:
        """How often the file was read through since the last question."""
        times, self.octets = self.octets / SIZE, 0
        return times


@pytest.mark.parametrize("archive", list(DigestAlgorithm), ids=str)
@pytest.mark.parametrize("digest", list(DigestAlgorithm), ids=str)
def test_each_call_reads_a_file_once(line: Line, digest: DigestAlgorithm, archive: DigestAlgorithm) -> None:
    entity = line.pki.signers["p384"]
    profile = Profile(Level.LTA, digest, archive)
    file = Counted()
    output = io.BytesIO()

    async def work(client: httpx.AsyncClient) -> list[float]:
        objects = [DataObject("scan.tiff", file, "image/tiff")]
        engine = line.engine(client)
        prepared = await prepare(
            objects, Packaging.DETACHED, entity.certificate, entity.chain, profile, engine=engine, clock=utc_now
        )
        readings = [file.readings()]
        value = sign_value(entity, prepared)
        timestamps = line.timestamps(client)
        await finish(objects, prepared, value, output, engine=engine, timestamps=timestamps, clock=utc_now)
        return [*readings, file.readings()]

    assert line.run(work) == [1, 1]
    report = verify(output, line.anchors, clock=utc_now, files={"scan.tiff": file})
    assert report.level is Level.LTA
    assert file.readings() == (1 if digest is archive else 2)
    assert file.largest <= SIZE / 2


def test_a_change_of_the_document_is_hashed_anew(line: Line) -> None:
    data = sign_xml(line, {"invoice.xml": INVOICE}, profile=Profile(Level.B)).data
    references = References(XmlDocument.read(data))
    root = references.document.root
    signature = root.find(ds("Signature"))
    whole, properties = signature.iterfind(f"{ds('SignedInfo')}/{ds('Reference')}")

    def digests() -> list[bool]:
        found = [references.read(each) for each in (whole, properties)]
        return [references.dereference(each.element, signature).digest(each.algorithm) == each.value for each in found]

    assert digests() == [True, True] == digests()
    root[0].text = "2026-002"
    references.document.changed()
    assert digests() == [False, True]
    root[0].set("Id", properties.get("URI")[1:])
    references.document.changed()
    with pytest.raises(UnresolvedReferenceError, match="2 elements"):
        digests()
