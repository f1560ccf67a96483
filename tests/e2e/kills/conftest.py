"""One gateway to be killed again and again."""

from collections.abc import Iterator

import pytest

from tests.e2e.kills.striking import Striker
from tests.support.gateway import Gateway

LIMITS = {"lease_seconds": 1.0, "sweep_seconds": 0.5, "orphan_sweep_seconds": 0.5, "orphan_age": "PT1H"}
"""A dead worker's jobs and files are taken over soon; the search for orphans is left to the test for them."""


@pytest.fixture(scope="module")
def striker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Striker]:
    """A gateway, and who kills its processes."""
    with Gateway(tmp_path_factory.mktemp("kills"), limits=LIMITS) as gateway:
        yield Striker(gateway)
