"""Signed documents for tests that tamper with them, and a line for tests that break its parts."""

from collections.abc import Iterator

import pytest

from deploy.demo_pki.pki import DemoPki, choose_base_url
from deploy.demo_pki.server import DemoPkiApp, DemoServer
from tests.attack.failing import Failing, Switch
from tests.attack.material import Material
from tests.samples.writer import classic, text_pages
from tests.support.line import Line, MovableClock, timestamping_app


@pytest.fixture(scope="session")
def material(line: Line) -> Material:
    """Return valid documents of levels LTA and T; nobody changes them in place."""
    signed = line.sign(classic(text_pages(2)))
    revision = signed.prepared.revision
    other = line.sign(classic(text_pages(3)))
    return Material(line, signed.data, signed.data[: revision.end], other.data)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failing]:
    directory = tmp_path_factory.mktemp("failing")
    clock = MovableClock()
    pki = DemoPki.create(directory / "pki", base_url=choose_base_url(), clock=clock)
    switch = Switch(timestamping_app(pki.tsu, clock))
    app = DemoPkiApp(pki, timestamping=switch)
    with DemoServer(app, port=int(pki.base_url.rpartition(":")[2])):
        yield Failing(Line(pki, app, directory, clock), switch)


@pytest.fixture
def failing(served: Failing) -> Iterator[Failing]:
    yield served
    served.tsa.current = served.tsa.usual
    served.line.app.faults.clear()
