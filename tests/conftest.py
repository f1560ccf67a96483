"""Fixtures that all tests share: the demo PKI with its servers, and the EU's validator."""

from collections.abc import Iterator

import pytest

from tests.oracles.oracle import Oracle, start_oracle
from tests.support.line import Line, Lines


@pytest.fixture(scope="session")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lines]:
    """Starts further lines for tests that revoke, break or move the clock."""
    started = Lines(tmp_path_factory.mktemp("lines"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def line(lines: Lines) -> Line:
    """One line for the whole run; tests leave it as they found it."""
    return lines.start()


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    """EU DSS and veraPDF in one process."""
    with start_oracle() as process:
        yield process
