"""Judging from embedded data alone: what must be there, how fresh, and what a revocation before or after means."""

from datetime import datetime, timedelta

import pytest

from signing.trust.offline import EmbeddedData, OfflineError
from signing.trust.path import TrustAnchors
from tests.unit.signing.issuing import DAY, NOW, Holder, authority, ocsp_response, responder, revocation_list, signer

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


class Chain:
    """Root, CA and leaf, with the data that shows the CA good."""

    def __init__(self) -> None:
        self.root = authority("Root")
        self.ca = authority("CA", self.root)
        self.leaf = signer("Leaf", self.ca)
        self.ca_crl = revocation_list(self.root)

    def check(
        self,
        *,
        ocsps: tuple[bytes, ...] = (),
        crls: tuple[bytes, ...] = (),
        at: datetime = NOW,
        fresh_since: datetime | None = None,
        with_ca_crl: bool = True,
    ) -> None:
        held = (*crls, self.ca_crl) if with_ca_crl else crls
        data = EmbeddedData(TrustAnchors([self.root.certificate]), [self.ca.certificate], ocsps, held)
        data.check(data.path(self.leaf.certificate, [], at), at, fresh_since=fresh_since)


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain()


def test_complete_data(chain: Chain) -> None:
    chain.check(ocsps=(ocsp_response(chain.leaf, chain.ca, responder(chain.ca)),))
    chain.check(crls=(revocation_list(chain.ca),))


def test_nothing_about_the_leaf(chain: Chain) -> None:
    with pytest.raises(OfflineError, match="no revocation data about CN=Leaf"):
        chain.check()


def test_nothing_about_the_authority(chain: Chain) -> None:
    with pytest.raises(OfflineError, match="no revocation data about CN=CA"):
        chain.check(ocsps=(ocsp_response(chain.leaf, chain.ca),), with_ca_crl=False)


def test_data_that_is_no_evidence_is_passed_over(chain: Chain) -> None:
    good = ocsp_response(chain.leaf, chain.ca)
    chain.check(ocsps=(b"junk", ocsp_response(signer("Other", chain.ca), chain.ca), good), crls=(b"junk",))


@pytest.mark.parametrize(("revoked", "refused"), [(-HOUR, True), (timedelta(0), True), (SECOND, False)])
def test_revocation_counts_from_its_second_on(chain: Chain, revoked: timedelta, refused: bool) -> None:
    answer = ocsp_response(chain.leaf, chain.ca, revoked_at=NOW + revoked, this_update=NOW + HOUR)
    if refused:
        with pytest.raises(OfflineError, match="CN=Leaf was revoked at"):
            chain.check(ocsps=(answer,))
    else:
        chain.check(ocsps=(answer,))


def test_one_revoked_answer_outweighs_a_good_one(chain: Chain) -> None:
    revoked = ocsp_response(chain.leaf, chain.ca, revoked_at=NOW - HOUR)
    with pytest.raises(OfflineError, match="was revoked"):
        chain.check(ocsps=(ocsp_response(chain.leaf, chain.ca), revoked))


def test_revoked_authority(chain: Chain) -> None:
    listed = revocation_list(chain.root, {chain.ca.certificate.serial_number: NOW - HOUR})
    with pytest.raises(OfflineError, match="CN=CA was revoked"):
        chain.check(ocsps=(ocsp_response(chain.leaf, chain.ca),), crls=(listed,))


@pytest.mark.parametrize(
    ("issued", "fresh"),
    [(-HOUR, False), (-SECOND, False), (timedelta(0), True), (SECOND, True)],
)
def test_freshness_of_the_leaf(chain: Chain, issued: timedelta, fresh: bool) -> None:
    """What concerns the signer must not be issued before the second of the signature timestamp (R1)."""
    answer = ocsp_response(chain.leaf, chain.ca, this_update=NOW + issued)
    moment = NOW + timedelta(milliseconds=700)
    if fresh:
        chain.check(ocsps=(answer,), at=moment, fresh_since=moment)
    else:
        with pytest.raises(OfflineError, match="too old"):
            chain.check(ocsps=(answer,), at=moment, fresh_since=moment)


def test_data_of_an_authority_may_be_older_but_not_overdue(chain: Chain) -> None:
    answer = ocsp_response(chain.leaf, chain.ca)
    chain.check(ocsps=(answer,), crls=(revocation_list(chain.root, this_update=NOW - HOUR),), with_ca_crl=False)
    overdue = revocation_list(chain.root, this_update=NOW - 2 * HOUR, next_update=NOW - HOUR)
    with pytest.raises(OfflineError, match=r"CN=CA is of .* too old"):
        chain.check(ocsps=(answer,), crls=(overdue,), with_ca_crl=False)


def test_data_issued_later_serves_too(chain: Chain) -> None:
    later = revocation_list(chain.root, this_update=NOW + HOUR, next_update=NOW + DAY)
    chain.check(ocsps=(ocsp_response(chain.leaf, chain.ca),), crls=(later,), with_ca_crl=False)


def test_responder_that_must_itself_be_shown_good(chain: Chain) -> None:
    delegate = responder(chain.ca, no_check=False)
    answer = ocsp_response(chain.leaf, chain.ca, delegate)
    with pytest.raises(OfflineError, match="no revocation data about CN=Responder"):
        chain.check(ocsps=(answer,))
    chain.check(ocsps=(answer, ocsp_response(delegate, chain.ca)))


def test_revoked_responder(chain: Chain) -> None:
    delegate = responder(chain.ca, no_check=False)
    listed = ocsp_response(delegate, chain.ca, revoked_at=NOW - HOUR)
    with pytest.raises(OfflineError, match="CN=Responder was revoked"):
        chain.check(ocsps=(ocsp_response(chain.leaf, chain.ca, delegate), listed))


def test_responders_that_vouch_for_each_other(chain: Chain) -> None:
    first, second = (responder(chain.ca, no_check=False) for _ in range(2))
    with pytest.raises(OfflineError):
        chain.check(
            ocsps=(
                ocsp_response(chain.leaf, chain.ca, first),
                ocsp_response(first, chain.ca, second),
                ocsp_response(second, chain.ca, first),
            )
        )


def test_anchor_alone_needs_nothing(chain: Chain) -> None:
    data = EmbeddedData(TrustAnchors([chain.root.certificate]), [], [], [])
    data.check(data.path(chain.root.certificate, [], NOW), NOW)


def test_responder_that_vouches_for_itself(chain: Chain) -> None:
    """A responder without id-pkix-ocsp-nocheck whose only evidence is its own answer is not shown good."""
    delegate: Holder = responder(chain.ca, no_check=False)
    with pytest.raises(OfflineError):
        chain.check(ocsps=(ocsp_response(chain.leaf, chain.ca, delegate), ocsp_response(delegate, chain.ca, delegate)))
