"""Every limit of the demo relying party, with its unit."""

from datetime import timedelta
from typing import Final

UPLOAD_BYTES: Final = 100 * 1024 * 1024
"""Largest document, in octets; the gateway takes as much."""
FORM_BYTES: Final = 64 * 1024
"""What a form may hold besides the document, in octets."""
DISCARDED_BYTES: Final = 1024 * 1024 * 1024
"""How much of a body that is too large is read and thrown away, so that the browser gets to see the refusal."""
WEBHOOK_BYTES: Final = 64 * 1024
"""Largest webhook message, in octets."""
WEBHOOK_TOLERANCE: Final = timedelta(minutes=5)
"""How far a webhook's timestamp may be from now (Standard Webhooks)."""
WEBHOOK_ID_CHARACTERS: Final = 256
"""Longest webhook-id."""
WEBHOOK_SECRET_BYTES: Final = 24
"""Shortest webhook secret, in octets (Standard Webhooks)."""
CHUNK_BYTES: Final = 256 * 1024
"""Octets read from a file at a time."""
REQUEST_SECONDS: Final = 30.0
"""Longest silence of the gateway within a request."""
CONNECT_SECONDS: Final = 5.0
"""Time for a connection to the gateway."""
INSPECTION_LOOKS: Final = 60
"""How often an upload's state is read before the person is told to come back."""
INSPECTION_PAUSE_SECONDS: Final = 0.5
"""Pause between two looks."""
KEPT: Final = timedelta(days=5)
"""How long this counter remembers a signing: as long as the gateway may keep the document (FTS-GDPR-1)."""
SAMPLES: Final = 20
"""Most sample documents on offer."""
LISTED: Final = 100
"""Most signings in the list of one browser."""
NAME_CHARACTERS: Final = 120
"""Longest name of a document, its ending apart."""
ENDING_CHARACTERS: Final = 16
"""Longest ending of a name."""
ANSWER_BYTES: Final = 1024 * 1024
"""Largest JSON answer of the gateway, in octets."""
STOP_SECONDS: Final = 5
"""Time for open requests when the process is told to stop."""
