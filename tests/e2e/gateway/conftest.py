"""One gateway for the tests that neither kill nor reconfigure it."""

from collections.abc import Iterator

import pytest

from tests.samples.sound import SOUND
from tests.support.gateway import Gateway


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A running gateway."""
    limits = {"finishing_seconds": 3.0, "sweep_seconds": 0.3, "orphan_sweep_seconds": 1.0}
    with Gateway(tmp_path_factory.mktemp("gateway"), limits=limits) as running:
        yield running


@pytest.fixture(autouse=True)
def _browsers(gateway: Gateway) -> Iterator[None]:
    yield
    gateway.close_browsers()


@pytest.fixture(scope="session")
def pdf() -> bytes:
    """A document."""
    return SOUND["one_page"]()
