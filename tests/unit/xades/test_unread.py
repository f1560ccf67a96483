"""Timestamps over data objects are not read: they neither help a signature nor harm it (FTS-SIG-5)."""

import pytest
from lxml import etree

from signing.ports import Level, NotExtendedError, Profile
from signing.xades import prepare
from signing.xades.names import xades
from tests.support.line import Line
from tests.support.xades import INVOICE, extend_xml, sign_xml, verify_xml


@pytest.mark.parametrize("name", ["AllDataObjectsTimeStamp", "IndividualDataObjectsTimeStamp"])
def test_timestamps_over_data_objects(line: Line, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    build = prepare.build_signature

    def building(*arguments: object, **options: object) -> etree._Element:
        signature = build(*arguments, **options)  # type: ignore[arg-type]
        etree.SubElement(next(signature.iter(xades("SignedDataObjectProperties"))), xades(name))
        return signature

    monkeypatch.setattr(prepare, "build_signature", building)
    data = sign_xml(line, {"invoice.xml": INVOICE}, profile=Profile(Level.B)).data
    report = verify_xml(line, data)
    assert (report.valid, report.level) == (True, Level.B)
    note = report.signatures[0].notes[0]
    assert (note.code, note.message.partition(" is ")[0]) == ("NOT_BASELINE", f"the property {name}")
    with pytest.raises(NotExtendedError, match=name):
        extend_xml(line, data)
