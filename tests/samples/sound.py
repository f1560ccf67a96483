"""Sound PDFs, the same bytes at each run: what a signing engine must accept as it is."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tests.samples.protection import PROTECTED
from tests.samples.sound_content import CONTENT, large_50mb
from tests.samples.sound_forms import FORMS
from tests.samples.sound_pdfa import PDFA
from tests.samples.sound_structure import STRUCTURE

SOUND: Mapping[str, Callable[[], bytes]] = MappingProxyType({**STRUCTURE, **CONTENT, **FORMS, **PDFA, **PROTECTED})
"""Name to generator. `LARGE` is not among them."""

LARGE: Mapping[str, Callable[[], bytes]] = MappingProxyType({"large_50mb": large_50mb})
"""Generators of files above 10 MB, which take seconds: not for quick tests."""
