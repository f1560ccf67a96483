"""Certification paths: what is accepted, and each of the ways in which a path can be wrong (RFC 5280, 6.1)."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from signing.limits import LIMITS
from signing.trust.path import PathError, TrustAnchors, ValidityError, is_issued_by
from tests.unit.signing.issuing import (
    DAY,
    NOW,
    X400_NAME,
    Holder,
    authority,
    issue,
    name,
    on_an_unknown_curve,
    signer,
    usage,
    with_duplicate_extension,
    with_malformed_subject,
)


@pytest.fixture(scope="module")
def root() -> Holder:
    return authority("Root")


def certificates(*holders: Holder) -> list[x509.Certificate]:
    return [holder.certificate for holder in holders]


def test_path_over_two_intermediates_in_any_order(root: Holder) -> None:
    upper = authority("Upper", root, path_length=1)
    lower = authority("Lower", upper, path_length=0)
    leaf = signer("Leaf", lower)
    path = TrustAnchors(certificates(root)).path(leaf.certificate, certificates(upper, lower), NOW)
    assert list(path.certificates) == certificates(leaf, lower, upper, root)
    assert list(path.links()) == list(
        zip(certificates(leaf, lower, upper), certificates(lower, upper, root), strict=True)
    )


def test_configured_intermediates_complete_a_path(root: Holder) -> None:
    middle = authority("Middle", root)
    leaf = signer("Leaf", middle)
    anchors = TrustAnchors(certificates(root), certificates(middle))
    assert list(anchors.path(leaf.certificate, [], NOW).certificates) == certificates(leaf, middle, root)


def test_leaf_that_is_an_anchor_is_a_path_of_one(root: Holder) -> None:
    leaf = signer("Leaf", root)
    assert TrustAnchors(certificates(leaf)).path(leaf.certificate, [], NOW).certificates == (leaf.certificate,)


def test_leaf_that_is_an_anchor_must_be_valid_all_the_same(root: Holder) -> None:
    leaf = issue("Leaf", root, not_before=NOW - 3 * DAY, not_after=NOW - DAY)
    with pytest.raises(ValidityError, match="CN=Leaf is valid from"):
        TrustAnchors(certificates(leaf)).path(leaf.certificate, [], NOW)


def test_expired_anchor_is_still_an_anchor() -> None:
    old = authority("Old Root", not_before=NOW - 3 * DAY, not_after=NOW - DAY)
    leaf = signer("Leaf", old)
    assert TrustAnchors(certificates(old)).path(leaf.certificate, [], NOW).leaf == leaf.certificate


def test_intermediates_are_no_anchors(root: Holder) -> None:
    middle = authority("Middle", root)
    leaf = signer("Leaf", middle)
    with pytest.raises(PathError, match="no path from CN=Leaf"):
        TrustAnchors(certificates(authority("Other")), certificates(middle, root)).path(leaf.certificate, [], NOW)


def test_anchor_of_the_same_name_with_another_key(root: Holder) -> None:
    leaf = signer("Leaf", root)
    with pytest.raises(PathError):
        TrustAnchors(certificates(authority("Root"))).path(leaf.certificate, certificates(root), NOW)


def broken_signature(root: Holder) -> Holder:
    """Under the root's name, but signed by somebody else."""
    return authority("Middle", Holder(ec.generate_private_key(ec.SECP256R1()), root.certificate))


def ca_false(root: Holder) -> Holder:
    return issue(
        "Middle", root, extensions=[(x509.BasicConstraints(False, None), True), (usage("key_cert_sign"), True)]
    )


def constraints_missing(root: Holder) -> Holder:
    return issue("Middle", root, extensions=[(usage("key_cert_sign"), True)])


def key_cert_sign_missing(root: Holder) -> Holder:
    return issue("Middle", root, extensions=[(x509.BasicConstraints(True, None), True), (usage("crl_sign"), True)])


def unknown_critical(root: Holder) -> Holder:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.25.42"), b"\x05\x00")
    return authority("Middle", root, extensions=[(extension, True)])


def name_constraints_critical(root: Holder) -> Holder:
    constraints = x509.NameConstraints([x509.DirectoryName(name("Nobody"))], None)
    return authority("Middle", root, extensions=[(constraints, True)])


@pytest.mark.parametrize(
    "make",
    [
        broken_signature,
        ca_false,
        constraints_missing,
        key_cert_sign_missing,
        unknown_critical,
        name_constraints_critical,
    ],
    ids=lambda make: make.__name__,
)
def test_intermediate_that_may_not_issue(root: Holder, make: Callable[[Holder], Holder]) -> None:
    middle = make(root)
    leaf = signer("Leaf", middle)
    with pytest.raises(PathError, match="no path from CN=Leaf") as caught:
        TrustAnchors(certificates(root)).path(leaf.certificate, certificates(middle), NOW)
    assert not isinstance(caught.value, ValidityError)


def test_unknown_extension_that_is_not_critical(root: Holder) -> None:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.25.42"), b"\x05\x00")
    middle = authority("Middle", root, extensions=[(extension, False)])
    leaf = signer("Leaf", middle)
    assert TrustAnchors(certificates(root)).path(leaf.certificate, certificates(middle), NOW)


def test_unknown_critical_extension_in_the_leaf(root: Holder) -> None:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.25.42"), b"\x05\x00")
    leaf = issue("Leaf", root, extensions=[(extension, True)])
    with pytest.raises(PathError):
        TrustAnchors(certificates(root)).path(leaf.certificate, [], NOW)


@pytest.mark.parametrize(("path_length", "accepted"), [(None, True), (2, True), (1, True), (0, False)])
def test_path_length_counts_the_authorities_below(root: Holder, path_length: int | None, accepted: bool) -> None:
    upper = authority("Upper", root, path_length=path_length)
    lower = authority("Lower", upper)
    leaf = signer("Leaf", lower)
    anchors = TrustAnchors(certificates(root))
    if accepted:
        assert anchors.path(leaf.certificate, certificates(upper, lower), NOW)
    else:
        with pytest.raises(PathError):
            anchors.path(leaf.certificate, certificates(upper, lower), NOW)


def test_path_length_of_the_anchor() -> None:
    root = authority("Narrow Root", path_length=0)
    middle = authority("Middle", root)
    leaf = signer("Leaf", middle)
    anchors = TrustAnchors(certificates(root))
    assert anchors.path(middle.certificate, [], NOW)
    with pytest.raises(PathError):
        anchors.path(leaf.certificate, certificates(middle), NOW)


def test_expired_intermediate(root: Holder) -> None:
    middle = authority("Middle", root, not_before=NOW - 3 * DAY, not_after=NOW - 2 * DAY)
    leaf = signer("Leaf", middle)
    with pytest.raises(ValidityError, match="CN=Middle is valid from"):
        TrustAnchors(certificates(root)).path(leaf.certificate, certificates(middle), NOW)


def test_expired_leaf_was_valid_before(root: Holder) -> None:
    leaf = issue("Leaf", root, not_before=NOW - 3 * DAY, not_after=NOW - DAY)
    anchors = TrustAnchors(certificates(root))
    with pytest.raises(ValidityError):
        anchors.path(leaf.certificate, [], NOW)
    assert anchors.path(leaf.certificate, [], NOW - DAY).leaf == leaf.certificate
    with pytest.raises(ValidityError):
        anchors.path(leaf.certificate, [], NOW - DAY + timedelta(seconds=1))


def test_leaf_that_is_not_yet_valid(root: Holder) -> None:
    leaf = issue("Leaf", root, not_before=NOW + timedelta(hours=1))
    with pytest.raises(ValidityError):
        TrustAnchors(certificates(root)).path(leaf.certificate, [], NOW)


def test_renewed_intermediate_of_the_same_name_and_key_is_found(root: Holder) -> None:
    expired = authority("Middle", root, not_before=NOW - 3 * DAY, not_after=NOW - 2 * DAY)
    renewed = authority("Middle", root, key=expired.key)
    leaf = signer("Leaf", expired)
    for pool in (certificates(expired, renewed), certificates(renewed, expired)):
        path = TrustAnchors(certificates(root)).path(leaf.certificate, pool, NOW)
        assert path.certificates[1] == renewed.certificate


def test_rekeyed_intermediate_of_the_same_name_is_told_apart(root: Holder) -> None:
    first, second = authority("Middle", root), authority("Middle", root)
    leaf = signer("Leaf", second)
    path = TrustAnchors(certificates(root)).path(leaf.certificate, certificates(first, second), NOW)
    assert path.certificates[1] == second.certificate


def test_cross_certificates_in_a_ring_end(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def counted(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        tried.append(certificate)
        return is_issued_by(certificate, issuer)

    monkeypatch.setattr("signing.trust.path.is_issued_by", counted)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(6)]
    plain = [authority(f"CA {number}", key=key) for number, key in enumerate(keys)]
    crossed = [
        authority(f"CA {number}", other, key=key)
        for number, key in enumerate(keys)
        for other in plain
        if other.key is not key
    ]
    leaf = signer("Leaf", plain[0])
    with pytest.raises(PathError):
        TrustAnchors(certificates(authority("Elsewhere"))).path(leaf.certificate, certificates(*crossed), NOW)
    assert 0 < len(tried) <= LIMITS.path_candidates


def test_longest_path(root: Holder) -> None:
    chain = [root]
    for number in range(LIMITS.path_length - 2):
        chain.append(authority(f"CA {number}", chain[-1]))
    leaf = signer("Leaf", chain[-1])
    anchors = TrustAnchors(certificates(root))
    assert len(anchors.path(leaf.certificate, certificates(*chain), NOW).certificates) == LIMITS.path_length
    chain.append(authority("One more", chain[-1]))
    with pytest.raises(PathError):
        anchors.path(signer("Leaf", chain[-1]).certificate, certificates(*chain), NOW)


def test_rsa_and_elliptic_keys_mix(root: Holder) -> None:
    middle = authority("RSA", root, key=rsa.generate_private_key(65537, 2048))
    leaf = signer("Leaf", middle)
    assert TrustAnchors(certificates(root)).path(leaf.certificate, certificates(middle), NOW)


def test_foreign_certificate_with_an_extension_twice(root: Holder) -> None:
    middle = authority("Middle", root)
    leaf = signer("Leaf", middle)
    pool = certificates(with_duplicate_extension(middle), middle)
    path = TrustAnchors(certificates(root)).path(leaf.certificate, pool, NOW)
    assert list(path.certificates) == certificates(leaf, middle, root)


def test_foreign_certificate_with_an_x400_name(root: Holder) -> None:
    middle = authority("Middle", root)
    leaf = signer("Leaf", middle)
    odd = authority("Middle", key=middle.key, extensions=[(X400_NAME, False)])
    path = TrustAnchors(certificates(root)).path(leaf.certificate, certificates(odd, middle), NOW)
    assert list(path.certificates) == certificates(leaf, middle, root)


def test_foreign_certificate_on_an_unknown_curve(root: Holder) -> None:
    middle = authority("Middle", root)
    leaf = signer("Leaf", middle)
    pool = certificates(on_an_unknown_curve(middle), middle)
    path = TrustAnchors(certificates(root)).path(leaf.certificate, pool, NOW)
    assert list(path.certificates) == certificates(leaf, middle, root)


def test_foreign_certificate_with_a_malformed_subject(root: Holder) -> None:
    middle = authority("Middle", root)
    leaf = signer("Leaf", middle)
    pool = certificates(with_malformed_subject(middle), middle)
    path = TrustAnchors(certificates(root)).path(leaf.certificate, pool, NOW)
    assert list(path.certificates) == certificates(leaf, middle, root)
