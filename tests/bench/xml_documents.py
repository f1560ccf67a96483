"""The files that are signed with XAdES: an invoice in UBL 2.1 of a wanted size, and octets without structure."""

import hashlib

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" '
    'xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" '
    'xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">\n'
    "  <cbc:UBLVersionID>2.1</cbc:UBLVersionID>\n  <cbc:ID>2026-001</cbc:ID>\n"
    "  <cbc:IssueDate>2026-01-31</cbc:IssueDate>\n  <cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>\n"
)
_LINE = (
    "  <cac:InvoiceLine>\n"
    "    <cbc:ID>{0}</cbc:ID>\n"
    '    <cbc:InvoicedQuantity unitCode="C62">{1}</cbc:InvoicedQuantity>\n'
    '    <cbc:LineExtensionAmount currencyID="EUR">{2}.50</cbc:LineExtensionAmount>\n'
    "    <cac:Item>\n"
    "      <cbc:Name>Article n\u00b0 {0} &amp; accessories</cbc:Name>\n"
    "      <cac:ClassifiedTaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>17</cbc:Percent></cac:ClassifiedTaxCategory>\n"
    "    </cac:Item>\n"
    '    <cac:Price><cbc:PriceAmount currencyID="EUR">{1}.25</cbc:PriceAmount></cac:Price>\n'
    "  </cac:InvoiceLine>\n"
)
_TAIL = "</Invoice>\n"


def invoice(size: int) -> bytes:
    """Return an invoice of the first number of lines that gives it at least `size` octets."""
    parts = [_HEAD.encode("utf-8")]
    total = len(parts[0]) + len(_TAIL)
    number = 0
    while total < size:
        number += 1
        parts.append(_LINE.format(number, number % 7 + 1, number % 90 + 10).encode("utf-8"))
        total += len(parts[-1])
    return b"".join((*parts, _TAIL.encode("utf-8")))


def octets(size: int) -> bytes:
    """Return octets that do not compress and are the same each time."""
    return hashlib.shake_256(b"benchmark").digest(size)
