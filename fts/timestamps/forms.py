"""The forms of a timestamp on a file."""

from typing import Literal

Form = Literal["pdf", "asic-s", "detached"]
"""A document timestamp in the PDF (PAdES), an ASiC-S container, a token beside the file (`.tst`)."""
