"""A web process that dies by SIGKILL between an effect and its answer: `dying_web.py order|upload|timestamp web …`."""

import os
import signal
import sys
from typing import Any, Final

from fts.documents.schemas import DocumentView
from fts.serve import main
from fts.signings.schemas import SigningView
from fts.timestamps.document_routes import DocumentTimestampView

ANSWERS: Final[dict[str, tuple[Any, str]]] = {
    "order": (SigningView, "created"),
    "upload": (DocumentView, "of"),
    "timestamp": (DocumentTimestampView, "of"),
}
"""What makes the answer, when the transaction is committed."""


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    owner, name = ANSWERS[sys.argv.pop(1)]
    setattr(owner, name, _die)
    main()
