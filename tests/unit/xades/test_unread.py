"""Timestamps over data objects, which are not read, make a signature not valid here (FTS-SIG-5)."""

import pytest
from lxml import etree

from signing.ports import Level, Profile
from signing.xades import prepare
from signing.xades.names import xades
from tests.support.line import Line
from tests.support.xades import INVOICE, sign_xml, verify_xml


@pytest.mark.parametrize("name", ["AllDataObjectsTimeStamp", "IndividualDataObjectsTimeStamp"])
def test_timestamps_over_data_objects(line: Line, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    build = prepare.build_signature

    def building(*arguments: object, **options: object) -> etree._Element:
        signature = build(*arguments, **options)  # type: ignore[arg-type]
        etree.SubElement(next(signature.iter(xades("SignedDataObjectProperties"))), xades(name))
        return signature

    monkeypatch.setattr(prepare, "build_signature", building)
    data = sign_xml(line, {"invoice.xml": INVOICE}, profile=Profile(Level.B)).data
    (signature,) = verify_xml(line, data).signatures
    (problem,) = signature.problems
    assert (problem.code, problem.message.partition(" is ")[0]) == ("UNSUPPORTED_PROPERTY", f"the property {name}")
