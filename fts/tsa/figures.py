"""The authority's figures in the text format of Prometheus."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from time import monotonic

from fts.tsa.composition import ComposedAuthority
from fts.tsa.tally import Totals
from timestamping.authority.ports import ClockState


def exposition(composed: ComposedAuthority, totals: Totals) -> str:
    """Return the figures; counters are those of all workers, the clock's are of the worker that answers."""
    return "".join([*_unit(composed), *_clock(composed), *_counts(totals)])


def _unit(composed: ComposedAuthority) -> Iterator[str]:
    certificate, now = composed.unit.certificate, composed.wall_clock()
    left = (certificate.not_valid_after_utc - now) / timedelta(days=1)
    yield _gauge("fts_tsa_certificate_days_left", "Days until the unit's certificate ends.", f"{left:.3f}")
    yield _gauge(
        "fts_tsa_key_days_left", "Days until the unit's key may sign no more.", f"{composed.unit.days_left:.3f}"
    )


def _clock(composed: ComposedAuthority) -> Iterator[str]:
    snapshot = composed.clock.snapshot
    states = ((f'{{state="{state}"}}', str(int(snapshot.state is state))) for state in ClockState)
    yield _metric("fts_tsa_clock_state", "gauge", "1 for the state that the last check of the clock found.", states)
    if snapshot.offset_seconds is not None:
        text = "The clock less its sources' time, in seconds."
        yield _gauge("fts_tsa_clock_offset_seconds", text, f"{snapshot.offset_seconds:.6f}")
    if snapshot.error_seconds is not None:
        text = "Bound on the error of the offset, in seconds."
        yield _gauge("fts_tsa_clock_error_seconds", text, f"{snapshot.error_seconds:.6f}")
    age = (composed.wall_clock() - snapshot.checked_at).total_seconds()
    yield _gauge("fts_tsa_clock_age_seconds", "Time since the last check of the clock.", f"{age:.3f}")
    left = snapshot.valid_until - monotonic()
    yield _gauge("fts_tsa_clock_valid_seconds", "Time until the last check is too old.", f"{left:.3f}")


def _counts(totals: Totals) -> Iterator[str]:
    decisions = (
        (f'{{status="{_status(name)}",fail_info="{"" if name == "granted" else name}"}}', str(count))
        for name, count in totals.outcomes.items()
    )
    yield _metric(
        "fts_tsa_decisions_total", "counter", "Decisions as they were answered, by status and failInfo.", decisions
    )
    answers = ((f'{{status="{status}"}}', str(count)) for status, count in totals.statuses.items())
    yield _metric("fts_tsa_http_answers_total", "counter", "Answers of the door by HTTP status.", answers)
    name = "fts_tsa_answer_seconds"
    rows = [(f'_bucket{{le="{bound}"}}', str(count)) for bound, count in totals.histogram]
    rows += [("_sum", f"{totals.seconds:.6f}"), ("_count", rows[-1][1])]
    yield _metric(name, "histogram", "Time from the request to its answer, in seconds.", rows)


def _status(outcome: str) -> str:
    return "granted" if outcome == "granted" else "rejection"


def _gauge(name: str, text: str, value: str) -> str:
    return _metric(name, "gauge", text, [("", value)])


def _metric(name: str, kind: str, text: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = "".join(f"{name}{labels} {value}\n" for labels, value in rows)
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n{lines}"
