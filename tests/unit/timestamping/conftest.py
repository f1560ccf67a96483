"""Timestamping units for several tests, and settings of the tests that make up their input."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import settings

from tests.unit.timestamping.units import Unit, make_unit
from timestamping.algorithms import DigestAlgorithm

settings.register_profile("shared processor", deadline=None)
settings.load_profile("shared processor")


@pytest.fixture(scope="session")
def unit() -> Unit:
    return make_unit()


@pytest.fixture(scope="session")
def rsa_unit() -> Unit:
    return make_unit(key=rsa.generate_private_key(65537, 3072), digest=DigestAlgorithm.SHA512)
