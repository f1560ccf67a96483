"""Settings of the tests that make up their input."""

from hypothesis import settings

settings.register_profile("shared processor", deadline=None)
settings.load_profile("shared processor")
