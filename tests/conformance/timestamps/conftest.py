"""The judges of other makers."""

import pytest

from tests.conformance.timestamps.judges import Judges


@pytest.fixture(scope="session")
def judges(tmp_path_factory: pytest.TempPathFactory) -> Judges:
    return Judges.in_directory(tmp_path_factory.mktemp("judges"))
