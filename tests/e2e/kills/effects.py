"""What must be true of an errand afterwards: one signed document, one set of events that tell what happened."""

import hashlib
import io
from collections import Counter
from typing import Any, Final

from signing.pades.verify import verify
from signing.ports import Level
from signing.trust.path import TrustAnchors
from tests.e2e.kills.errand import Errand
from tests.e2e.kills.striking import rows
from timestamping.clock import utc_now

_ONCE: Final = (
    "document.uploaded",
    "document.ready",
    "signing.created",
    "signing.opened",
    "signing.value_accepted",
    "signing.completed",
)
"""Events that every errand has exactly once, in this order."""

_REPEATABLE: Final = frozenset(
    {"signing.reopened", "signing.certificate_given", "signing.prepared", "signing.downloaded"}
)


def check_completed(errand: Errand) -> None:
    """Check that a completed errand had its effects once, and that the trail says exactly that (FTS-AUD-1)."""
    assert errand.end["state"] == "completed", errand.end
    signing = errand.gateway.account.signing(errand.id)
    events = errand.gateway.trail(errand.id)
    _check_kinds(errand, [event.kind for event in events])
    _check_data(errand, signing, {event.kind: event.data for event in events})
    _check_rows(errand)
    _check_signature(errand)
    check_still_there(errand)


def check_still_there(errand: Errand) -> None:
    """Check that the signed document is the same, and that nothing more has happened but downloads."""
    assert errand.download() == errand.result, "the signed document is another one now"
    kinds = [event.kind for event in errand.gateway.trail(errand.id)]
    assert set(kinds[kinds.index("signing.completed") + 1 :]) <= {"signing.downloaded"}
    _check_rows(errand)


def _check_kinds(errand: Errand, kinds: list[str]) -> None:
    counted = Counter(kinds)
    assert {kind: counted[kind] for kind in _ONCE} == dict.fromkeys(_ONCE, 1), kinds
    assert [kind for kind in kinds if kind in _ONCE] == list(_ONCE)
    assert set(kinds) <= {*_ONCE, *_REPEATABLE}, kinds
    assert 1 <= counted["signing.prepared"] <= counted["signing.certificate_given"], kinds
    repetitions = counted["signing.certificate_given"] - 1 + counted["signing.reopened"]
    assert repetitions <= errand.repeated, "more than the signer did"


def _check_data(errand: Errand, signing: dict[str, Any], data: dict[str, dict[str, Any]]) -> None:
    """Compare the last event of each kind with what the parties have in their hands."""
    uploaded = hashlib.sha256(errand.document).hexdigest()
    assert (data["document.uploaded"]["sha256"], data["document.uploaded"]["size"]) == (uploaded, len(errand.document))
    assert data["signing.created"]["document_sha256"] == uploaded
    assert data["signing.prepared"]["digest"] == data["signing.value_accepted"]["digest"] == errand.digest.hex()
    assert data["signing.value_accepted"]["signature_sha256"] == hashlib.sha256(errand.value).hexdigest()
    completed, result = data["signing.completed"], signing["result"]
    assert completed["sha256"] == result["sha256"] == hashlib.sha256(errand.result).hexdigest()
    assert completed["size"] == result["size"] == len(errand.result)
    assert completed["level"] == result["level"] == "LTA"
    assert signing["state"] == "completed"


def _check_rows(errand: Errand) -> None:
    [document] = rows(errand.gateway, "SELECT * FROM document WHERE id = ?", errand.document_id)
    assert (document["state"], document["effective_object"]) == ("ready", document["object"])
    found = rows(errand.gateway, "SELECT * FROM signing WHERE document_id = ?", errand.document_id)
    assert [row["id"] for row in found] == [errand.id], "the order was taken once"
    assert found[0]["prepared_object"] is None


def _check_signature(errand: Errand) -> None:
    """Check that the document is the one that was uploaded, with one signature and one archive timestamp."""
    assert errand.result.startswith(errand.document)
    anchors = TrustAnchors([errand.gateway.pki.root.certificate])
    report = verify(io.BytesIO(errand.result), anchors, clock=utc_now)
    assert (report.valid, report.level) == (True, Level.LTA), report.problems
    assert (len(report.signatures), len(report.archive_timestamps)) == (1, 1)
