"""Signatures against the schemas of XMLDSig and XAdES as EU DSS ships them; nothing is fetched (FTS-SIG-5)."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from lxml import etree

from signing.ports import Level, Profile
from signing.xades.names import DS, XADES, XADES141
from signing.xades.ports import Packaging, SignaturePolicy
from tests.conformance.xades.test_xades_matrix import DOCUMENTS
from tests.oracles.build import HOME
from tests.oracles.oracle import Oracle
from tests.support.line import Line
from tests.support.xades import INVOICE, extend_xml, sign_xml
from timestamping.algorithms import DigestAlgorithm

ARCHIVES = ("specs-xmldsig-*.jar", "specs-xades-*.jar")
SCHEMAS: Mapping[str, str] = {
    DS: "xmldsig-core-schema.xsd",
    XADES: "XAdES01903v132-202407.xsd",
    XADES141: "XAdES01903v141-202407.xsd",
}
"""File by namespace."""
SAME: Mapping[str, str] = {"1913201-XAdES01903v132.xsd": SCHEMAS[XADES]}
"""File by the other name that an import uses."""


class _Local(etree.Resolver):
    """Gives the schemas by their last names, and nothing else."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def resolve(self, system_url: str | None, _public_id: str | None, context: object) -> object:
        name = (system_url or "").rpartition("/")[2]
        return self.resolve_string(self._files[SAME.get(name, name)], context, base_url=name)


@pytest.fixture(scope="module")
def schema(oracle: Oracle) -> etree.XMLSchema:
    """The three schemas as one."""
    oracle.ping()
    files: dict[str, bytes] = {}
    for pattern in ARCHIVES:
        (archive,) = (HOME / "build" / "lib").glob(pattern)
        with zipfile.ZipFile(archive) as jar:
            files |= {Path(name).name: jar.read(name) for name in jar.namelist() if name.endswith(".xsd")}
    imports = "".join(f'<xs:import namespace="{name}" schemaLocation="{file}"/>' for name, file in SCHEMAS.items())
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Local(files))
    joined = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>'
    return etree.XMLSchema(etree.fromstring(joined, parser))


def complaints(schema: etree.XMLSchema, data: bytes) -> list[str]:
    """What the schemas say of each signature in a document."""
    found = [etree.fromstring(etree.tostring(each)) for each in etree.fromstring(data).iter(f"{{{DS}}}Signature")]
    assert found
    return [
        f"{entry.line}: {entry.message}" for each in found if not schema.validate(each) for entry in schema.error_log
    ]


@pytest.mark.parametrize("level", Level, ids=str)
@pytest.mark.parametrize("packaging", Packaging, ids=str)
@pytest.mark.parametrize("signer", ["rsa3072", "p256", "p384"])
def test_what_we_sign_is_valid(
    schema: etree.XMLSchema, full_line: Line, packaging: Packaging, level: Level, signer: str
) -> None:
    data = sign_xml(full_line, DOCUMENTS[packaging], packaging, signer, Profile(level)).data
    assert complaints(schema, data) == []


def test_so_are_renewals_policies_and_prefix_lists(schema: etree.XMLSchema, full_line: Line) -> None:
    policy = SignaturePolicy("urn:oid:2.25.1", DigestAlgorithm.SHA512, bytes(64), "http://example.test/policy.pdf")
    data = sign_xml(full_line, {"invoice.xml": INVOICE}, policy=policy).data
    assert b"PrefixList" in data
    longer, _ = extend_xml(full_line, data)
    longer, _ = extend_xml(full_line, longer)
    assert longer.count(b"<xades141:ArchiveTimeStamp ") == 3
    assert complaints(schema, longer) == []


BROKEN = {
    "of XMLDSig": (b"ds:SignatureValue", b"ds:SignatureWorth"),
    "of XAdES 1.3.2": (b"xades:CertDigest", b"xades:CertDigits"),
    "of XAdES 1.4.1": (b"xades141:ArchiveTimeStamp", b"xades141:ArchiveTimeStand"),
    "in a time": (b"<xades:SigningTime>", b"<xades:SigningTime>on "),
    "in base64": (b"</xades:EncapsulatedTimeStamp>", b"A</xades:EncapsulatedTimeStamp>"),
    "in an identifier": (b' Id="sig-', b' Id="1sig-'),
}


@pytest.mark.parametrize("where", BROKEN)
def test_a_mistake_is_noticed(where: str, schema: etree.XMLSchema, full_line: Line) -> None:
    data = sign_xml(full_line, {"invoice.xml": INVOICE}).data
    broken = data.replace(*BROKEN[where])
    assert broken != data
    assert complaints(schema, broken) != []
