"""The kernel's own view of its clock (Linux adjtimex, read only)."""

import ctypes
import os
from typing import Final

from timestamping.authority.clock.ports import KernelClock, Leap

_STA_INS: Final = 0x0010
_STA_DEL: Final = 0x0020
_STA_UNSYNC: Final = 0x0040
_TIME_ERROR: Final = 5
_MICROSECONDS: Final = 1_000_000


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("constant", "precision", "tolerance", "seconds", "fraction", "tick")),
        ("rest", ctypes.c_byte * 128),
    )


def read_kernel_clock() -> KernelClock:
    """Ask the kernel; nothing is changed.

    Raises:
        OSError: the kernel does not say.
    """
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except AttributeError as error:
        raise OSError("this system has no adjtimex") from error
    buffer = _Timex()
    state = adjtimex(ctypes.byref(buffer))
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"adjtimex: {os.strerror(number)}")
    leap = Leap.INSERT if buffer.status & _STA_INS else Leap.DELETE if buffer.status & _STA_DEL else Leap.NONE
    synchronised = state != _TIME_ERROR and not buffer.status & _STA_UNSYNC
    return KernelClock(synchronised, buffer.maxerror / _MICROSECONDS, leap)
