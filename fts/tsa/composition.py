"""The composition of an authority: unit, clock, record and decisions of one process."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fts.errors import RefusalError
from fts.tsa.clocks import watched
from fts.tsa.configuration import Timestamping
from fts.tsa.last_failure import NotedLog
from fts.tsa.watch import recording
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.authority import Authority
from timestamping.authority.clock.changes import ClockChanges
from timestamping.authority.factory import SoftwareTsuKey, TsuKey
from timestamping.authority.policies import Accuracy, Policies
from timestamping.authority.ports import DecisionLog, TimeNotAvailableError, TrustedClock
from timestamping.authority.records import FileDecisionLog
from timestamping.authority.token_key import Pkcs11TsuKey
from timestamping.authority.unit import TimestampingUnit, UnitUnfitError
from timestamping.clock import Clock, utc_now

_REMEDY: Final = "Correct the configuration or the file; docs/operation.md has all members."

RECORDS_REMEDY: Final = "Make room, or give the process the right to write where `timestamping.records` says."

Around = Callable[[DecisionLog], DecisionLog]
"""Puts something around the log of decisions."""


@dataclass(frozen=True, slots=True)
class ComposedAuthority:
    """The wired authority of one process."""

    authority: Authority
    unit: TimestampingUnit
    clock: TrustedClock
    wall_clock: Clock
    clock_changes: ClockChanges
    decisions: NotedLog

    def faults(self) -> list[str]:
        """Return why no token can be issued now, one sentence each; empty where it can."""
        found = []
        try:
            now = self.clock()
        except TimeNotAvailableError as error:
            found.append(str(error) or f"the clock is {self.clock.snapshot.state}")
            now = self.wall_clock()
        try:
            self.unit.check(now)
        except UnitUnfitError as error:
            found.append(str(error))
        if self.decisions.failure is not None:
            found.append(self.decisions.failure)
        return found


@asynccontextmanager
async def composed(settings: Timestamping, around: Around = lambda log: log) -> AsyncIterator[ComposedAuthority]:
    """Wire an authority in the process, and in the thread, that signs; close what it holds at the end.

    Raises:
        RefusalError: UNIT_UNREADABLE, a file cannot be read.
        UnitUnfitError: the unit must not issue timestamps.
        RecordFailedError: the directory of records cannot be written.
    """
    changes = ClockChanges()
    with opened_unit(settings) as unit, closing(FileDecisionLog(settings.records)) as log:
        decisions = NotedLog(log)
        async with watched(settings.clock, changes) as clock, recording(changes, log.append_change):
            authority = Authority(
                unit,
                clock,
                policies=Policies(settings.policy, settings.policies),
                accuracy=Accuracy.of_seconds(settings.accuracy_seconds),
                qualified=settings.qualified,
                self_check=settings.self_check,
                # cut to the second, genTime would use up all of an accuracy of one second
                milliseconds=True,
                log=around(decisions),
            )
            authority.check()
            yield ComposedAuthority(authority, unit, clock, utc_now, changes, decisions)


@contextmanager
def opened_unit(settings: Timestamping) -> Iterator[TimestampingUnit]:
    """Open the unit's key and check the unit; close the key at the end.

    Raises:
        RefusalError: UNIT_UNREADABLE, a file cannot be read.
        UnitUnfitError: the unit must not issue timestamps.
    """
    certificate, *issuers = certificates_of(settings)
    digest = DigestAlgorithm(settings.unit.digest)
    key = _key(settings, digest)
    try:
        yield TimestampingUnit(key, certificate, tuple(issuers), digest=digest)
    finally:
        if isinstance(key, Pkcs11TsuKey):
            key.close()


def certificates_of(settings: Timestamping) -> list[x509.Certificate]:
    """Return the unit's certificate and its issuers.

    Raises:
        RefusalError: UNIT_UNREADABLE.
    """
    path = settings.unit.certificate
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _unreadable(f"unit.certificate: {path}: {error}") from error


def _key(settings: Timestamping, digest: DigestAlgorithm) -> TsuKey:
    unit = settings.unit
    if unit.key_file is None:
        return Pkcs11TsuKey(str(unit.module), str(unit.token), str(unit.label), _pin(settings), digest)
    try:
        key = load_pem_private_key(unit.key_file.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(f"unit.key_file: {unit.key_file}: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise _unreadable(f"unit.key_file: {unit.key_file}: the key is neither RSA nor EC")
    return SoftwareTsuKey(key, digest)


def _pin(settings: Timestamping) -> str:
    path = settings.unit.pin_file
    assert path is not None  # noqa: S101 - the configuration has it with the token
    try:
        return path.read_text(encoding="utf-8").split("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(f"unit.pin_file: {path}: {error}") from error


def _unreadable(message: str) -> RefusalError:
    return RefusalError("UNIT_UNREADABLE", message, _REMEDY)
