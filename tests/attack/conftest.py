"""Signed documents for tests that tamper with them."""

import pytest

from tests.attack.material import Material
from tests.samples.writer import classic, text_pages
from tests.support.line import Line


@pytest.fixture(scope="session")
def material(line: Line) -> Material:
    """Return valid documents of levels LTA and T; nobody changes them in place."""
    signed = line.sign(classic(text_pages(2)))
    revision = signed.prepared.revision
    other = line.sign(classic(text_pages(3)))
    return Material(line, signed.data, signed.data[: revision.end], other.data)
