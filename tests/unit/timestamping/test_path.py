"""Paths from a unit to an anchor at a time, and what is no path (RFC 5280, clause 6.1; T-4, FTS-TS-5)."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from cryptography import x509

from tests.unit.signing.issuing import (
    DAY,
    NOW,
    X400_NAME,
    Holder,
    authority,
    issue,
    name,
    usage,
    with_duplicate_extension,
    with_malformed_subject,
)
from timestamping.path import MOST_CANDIDATES, MOST_CERTIFICATES, NoPathError, Path, PathNotValidError, find_path

ROOT = authority("Root")
CA = authority("CA", ROOT)
UNIT = issue("Unit", CA)


def found(leaf: Holder, anchors: Sequence[Holder], pool: Sequence[Holder] = (), days: float = 0.0) -> Path:
    certificates = [each.certificate for each in pool]
    return find_path(leaf.certificate, [a.certificate for a in anchors], certificates, NOW + days * DAY)


def path(*holders: Holder) -> Path:
    return tuple(holder.certificate for holder in holders)


def test_paths() -> None:
    assert found(UNIT, [ROOT], [CA]) == path(UNIT, CA, ROOT)
    assert found(UNIT, [ROOT], [ROOT, UNIT, CA, CA]) == path(UNIT, CA, ROOT)
    assert found(UNIT, [CA]) == path(UNIT, CA)
    assert found(UNIT, [UNIT]) == path(UNIT)


def test_no_path() -> None:
    for anchors, pool in (
        ([], [CA, ROOT]),
        ([ROOT], []),
        ([authority("Root")], [CA]),
        ([ROOT], [authority("CA", ROOT)]),
    ):
        with pytest.raises(NoPathError, match="no path"):
            found(UNIT, anchors, pool)


def test_several_issuers_of_one_name_are_tried() -> None:
    """A cross-signed authority, and namesakes that have not signed."""
    namesakes = [authority("CA", ROOT) for _ in range(5)]
    other_root = authority("Other Root")
    crossed = authority("CA", other_root, key=CA.key)
    assert found(UNIT, [ROOT], [*namesakes, crossed, CA]) == path(UNIT, CA, ROOT)
    assert found(UNIT, [other_root], [*namesakes, CA, crossed]) == path(UNIT, crossed, other_root)


def test_an_expired_issuer_does_not_hide_its_successor() -> None:
    old = authority("CA", ROOT, key=CA.key, not_after=NOW - timedelta(hours=1))
    assert found(UNIT, [ROOT], [old, CA]) == path(UNIT, CA, ROOT)
    with pytest.raises(PathNotValidError, match=r"CN=CA is valid from .* to "):
        found(UNIT, [ROOT], [old])


@pytest.mark.parametrize("days", [-2.0, 2.0])
def test_validity_is_judged_at_the_time(days: float) -> None:
    with pytest.raises(PathNotValidError):
        found(UNIT, [ROOT], [CA], days)
    old = issue("Old", CA, not_before=NOW + days * DAY - DAY, not_after=NOW + days * DAY + DAY)
    assert found(old, [CA], days=days) == path(old, CA)  # an anchor is trusted by decision, not by its dates


WITHOUT_RIGHT: dict[str, Holder] = {
    "no basic constraints": issue("CA", ROOT, key=CA.key, extensions=[(usage("key_cert_sign"), True)]),
    "not an authority": issue("CA", ROOT, key=CA.key, extensions=[(x509.BasicConstraints(False, None), True)]),
    "may not sign certificates": issue(
        "CA", ROOT, key=CA.key, extensions=[(x509.BasicConstraints(True, None), True), (usage("crl_sign"), True)]
    ),
    "critical extension that nobody knows": authority(
        "CA",
        ROOT,
        key=CA.key,
        extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.25.1"), b"\5\0"), True)],
    ),
    "name constraints": authority(
        "CA",
        ROOT,
        key=CA.key,
        extensions=[(x509.NameConstraints([x509.DirectoryName(name("Else"))], None), True)],
    ),
    "an extension twice": with_duplicate_extension(CA),
    "a malformed subject": with_malformed_subject(CA),
    "a name that cannot be read": authority("CA", ROOT, key=CA.key, extensions=[(X400_NAME, False)]),
}


@pytest.mark.parametrize("kind", WITHOUT_RIGHT)
def test_issuers_without_the_right(kind: str) -> None:
    with pytest.raises(NoPathError):
        found(UNIT, [ROOT], [WITHOUT_RIGHT[kind]])
    assert found(UNIT, [ROOT], [WITHOUT_RIGHT[kind], CA]) == path(UNIT, CA, ROOT)


def test_an_authority_without_key_usage_may_issue() -> None:
    plain = issue("CA", ROOT, key=CA.key, extensions=[(x509.BasicConstraints(True, None), True)])
    assert found(UNIT, [ROOT], [plain]) == path(UNIT, plain, ROOT)


def test_path_length() -> None:
    upper = authority("Upper", ROOT, path_length=0)
    lower = authority("Lower", upper)
    leaf = issue("Leaf", lower)
    with pytest.raises(NoPathError):
        found(leaf, [ROOT], [upper, lower])
    assert found(issue("Leaf", upper), [ROOT], [upper])
    longer = authority("Upper", ROOT, key=upper.key, path_length=1)
    assert found(leaf, [ROOT], [upper, longer, lower]) == path(leaf, lower, longer, ROOT)


def test_the_search_is_bounded() -> None:
    chain = [ROOT]
    for number in range(MOST_CERTIFICATES):
        chain.append(authority(f"CA {number}", chain[-1]))
    assert len(found(chain[MOST_CERTIFICATES - 1], [ROOT], chain)) == MOST_CERTIFICATES
    with pytest.raises(NoPathError):
        found(chain[MOST_CERTIFICATES], [ROOT], chain)
    crowd = [authority("CA", key=CA.key) for _ in range(MOST_CANDIDATES)]
    with pytest.raises(NoPathError):
        found(UNIT, [ROOT], [*crowd, CA])


def test_authorities_in_a_ring() -> None:
    first = authority("A", authority("B"))
    second = authority("B", first)
    ring = authority("A", second, key=first.key)
    with pytest.raises(NoPathError):
        found(issue("Leaf", first), [ROOT], [first, second, ring])
