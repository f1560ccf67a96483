"""No copy of a process on a disk: keys and documents in memory must not end in a core dump (FTS-GDPR-1, FTS-SEC-3)."""

import ctypes
import os
import resource
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def forbid_dumps() -> None:
    """Let the kernel write no core of this process, neither to a file nor to a collector, and nobody attach to it.

    A limit of zero is not asked where cores go to a program (core(5)); such a process is not dumped at all (prctl(2)).

    Raises:
        OSError: the kernel refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
