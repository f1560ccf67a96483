"""The environments that a gateway or an authority can be of (FTS-ENV-1)."""

from typing import Literal

Environment = Literal["PROD", "INT", "QA", "TA"]
"""Production, integration, quality assurance, test acceptance."""
