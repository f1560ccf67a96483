"""Signed XML for tests that tamper with it, with another of each kind to steal from."""

from collections.abc import Mapping

import pytest

from signing.pades.report import DocumentReport
from signing.ports import Level, Profile
from signing.xades.ports import Packaging
from tests.support.line import Line
from tests.support.xades import INVOICE, sign_xml

FILES = {"invoice.xml": INVOICE, "letter.bin": b"\x00\x01"}
DOCUMENTS = {"invoice.xml": INVOICE, "order.xml": b"<order><n>1</n></order>"}
LEVELS = {"b": Level.B, "t": Level.T, "lta": Level.LTA}
PACKAGINGS = {
    "enveloping": (Packaging.ENVELOPING, FILES),
    "container": (Packaging.INTERNALLY_DETACHED, DOCUMENTS),
    "manifest": (Packaging.MANIFEST, FILES),
}

Materials = Mapping[str, tuple[bytes, bytes]]
"""Signed documents by name, each with another to steal from."""


@pytest.fixture(scope="module")
def materials(line: Line) -> Materials:
    made = {}
    for name, level in LEVELS.items():
        profile = Profile(level)
        other = sign_xml(line, {"other.xml": b"<other/>"}, signer="rsa3072", profile=profile).data
        made[name] = (sign_xml(line, {"invoice.xml": INVOICE}, profile=profile).data, other)
    for name, (packaging, documents) in PACKAGINGS.items():
        data = sign_xml(line, documents, packaging, profile=Profile(Level.B)).data
        made[name] = (data, data)
    return made


def codes(report: DocumentReport) -> set[str]:
    """The codes of all problems, wherever they stand."""
    found = list(report.problems)
    for signature in report.signatures:
        found += [*signature.problems, *(p for t in signature.timestamps for p in t.problems)]
    for stamp in report.archive_timestamps:
        found += stamp.problems
    return {finding.code for finding in found}
