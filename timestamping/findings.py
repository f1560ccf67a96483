"""What a verification can find in a timestamp: stable codes, how grave each is, and the clause it rests on."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Severity(StrEnum):
    """How grave a finding is."""

    INVALID = "invalid"
    """The token proves nothing to a strict verifier."""
    NORM = "norm"
    """A standard is not kept, yet the proof stands."""
    NOTE = "note"
    """Worth knowing; nothing is wrong."""


class Code(StrEnum):
    """Kinds of findings. The names are stable."""

    UNREADABLE = "UNREADABLE"
    TRAILING_OCTETS = "TRAILING_OCTETS"
    DER_VIOLATED = "DER_VIOLATED"
    WRAPPER_NOT_DER = "WRAPPER_NOT_DER"
    STATUS_REFUSED = "STATUS_REFUSED"
    TOKEN_MISSING = "TOKEN_MISSING"  # noqa: S105
    TOKEN_WITH_REFUSAL = "TOKEN_WITH_REFUSAL"  # noqa: S105
    NONCE_DIFFERS = "NONCE_DIFFERS"
    POLICY_DIFFERS = "POLICY_DIFFERS"
    IMPRINT_DIFFERS = "IMPRINT_DIFFERS"
    IMPRINT_NOT_COMPARED = "IMPRINT_NOT_COMPARED"
    CERTIFICATES_MISSING = "CERTIFICATES_MISSING"
    CERTIFICATES_UNASKED = "CERTIFICATES_UNASKED"
    SIGNERS = "SIGNERS"
    CMS_VERSION = "CMS_VERSION"
    CONTENT_NO_TST_INFO = "CONTENT_NO_TST_INFO"
    DIGEST_ALGORITHMS = "DIGEST_ALGORITHMS"
    ALGORITHM_REFUSED = "ALGORITHM_REFUSED"
    ATTRIBUTE_REPEATED = "ATTRIBUTE_REPEATED"
    ATTRIBUTES_UNSORTED = "ATTRIBUTES_UNSORTED"
    ALGORITHM_PROTECTION = "ALGORITHM_PROTECTION"
    CONTENT_TYPE = "CONTENT_TYPE"
    MESSAGE_DIGEST = "MESSAGE_DIGEST"
    SIGNATURE_VALUE = "SIGNATURE_VALUE"
    SIGNER_UNKNOWN = "SIGNER_UNKNOWN"
    ESS_MISSING = "ESS_MISSING"
    ESS_VERSION_1 = "ESS_VERSION_1"
    ESS_DIFFERS = "ESS_DIFFERS"
    ESS_ISSUER_SERIAL = "ESS_ISSUER_SERIAL"
    EKU_MISSING = "EKU_MISSING"
    EKU_NOT_CRITICAL = "EKU_NOT_CRITICAL"
    EKU_NOT_ALONE = "EKU_NOT_ALONE"
    UNIT_IS_AUTHORITY = "UNIT_IS_AUTHORITY"
    UNIT_KEY_USAGE = "UNIT_KEY_USAGE"
    UNIT_KEY_SHORT = "UNIT_KEY_SHORT"
    UNIT_KEY_PERIOD = "UNIT_KEY_PERIOD"
    UNIT_NOT_VALID = "UNIT_NOT_VALID"
    NO_ANCHOR = "NO_ANCHOR"
    NO_PATH = "NO_PATH"
    PATH_NOT_VALID = "PATH_NOT_VALID"
    CERTIFICATES_UNRELATED = "CERTIFICATES_UNRELATED"
    REVOCATION_NOT_CHECKED = "REVOCATION_NOT_CHECKED"
    REVOCATION_UNKNOWN = "REVOCATION_UNKNOWN"
    REVOCATION_OLDER = "REVOCATION_OLDER"
    CERTIFICATE_REVOKED = "CERTIFICATE_REVOKED"
    CERTIFICATE_REVOKED_LATER = "CERTIFICATE_REVOKED_LATER"
    TST_VERSION = "TST_VERSION"
    POLICY_MALFORMED = "POLICY_MALFORMED"
    IMPRINT_ALGORITHM = "IMPRINT_ALGORITHM"
    SERIAL_NUMBER = "SERIAL_NUMBER"
    GEN_TIME_FORM = "GEN_TIME_FORM"
    GEN_TIME_FUTURE = "GEN_TIME_FUTURE"
    ACCURACY_MISSING = "ACCURACY_MISSING"
    ACCURACY_COARSE = "ACCURACY_COARSE"
    ACCURACY_RANGE = "ACCURACY_RANGE"
    DEFAULT_ENCODED = "DEFAULT_ENCODED"
    TSA_NAME_DIFFERS = "TSA_NAME_DIFFERS"
    CRITICAL_EXTENSION = "CRITICAL_EXTENSION"
    EXTENSION_MALFORMED = "EXTENSION_MALFORMED"


NORM_CODES = frozenset(
    {
        Code.WRAPPER_NOT_DER,
        Code.CERTIFICATES_UNASKED,
        Code.CMS_VERSION,
        Code.ESS_ISSUER_SERIAL,
        Code.UNIT_KEY_USAGE,
        Code.UNIT_KEY_PERIOD,
        Code.ACCURACY_MISSING,
        Code.ACCURACY_COARSE,
        Code.ACCURACY_RANGE,
        Code.DEFAULT_ENCODED,
        Code.EXTENSION_MALFORMED,
    }
)
NOTE_CODES = frozenset(
    {
        Code.IMPRINT_NOT_COMPARED,
        Code.CERTIFICATES_UNRELATED,
        Code.REVOCATION_NOT_CHECKED,
        Code.REVOCATION_OLDER,
        Code.CERTIFICATE_REVOKED_LATER,
    }
)

CLAUSES = MappingProxyType(
    {
        Code.UNREADABLE: "RFC 3161, 2.4.2",
        Code.TRAILING_OCTETS: "RFC 3161, 3.4",
        Code.DER_VIOLATED: "X.690, 10 and 11",
        Code.WRAPPER_NOT_DER: "RFC 3161, 3.4",
        Code.STATUS_REFUSED: "RFC 3161, 2.4.2",
        Code.TOKEN_MISSING: "RFC 3161, 2.4.2",
        Code.TOKEN_WITH_REFUSAL: "RFC 3161, 2.4.2",
        Code.NONCE_DIFFERS: "RFC 3161, 2.4.2",
        Code.POLICY_DIFFERS: "RFC 3161, 2.4.2",
        Code.IMPRINT_DIFFERS: "RFC 3161, 2.4.2",
        Code.IMPRINT_NOT_COMPARED: "RFC 3161, 2.4.2",
        Code.CERTIFICATES_MISSING: "RFC 3161, 2.4.1",
        Code.CERTIFICATES_UNASKED: "RFC 3161, 2.4.1",
        Code.SIGNERS: "RFC 3161, 2.4.2",
        Code.CMS_VERSION: "RFC 5652, 5.1",
        Code.CONTENT_NO_TST_INFO: "RFC 3161, 2.4.2",
        Code.DIGEST_ALGORITHMS: "RFC 5652, 5.1",
        Code.ALGORITHM_REFUSED: "ETSI TS 119 312, 5",
        Code.ATTRIBUTE_REPEATED: "RFC 5652, 5.3 and 11",
        Code.ATTRIBUTES_UNSORTED: "RFC 5652, 5.3",
        Code.ALGORITHM_PROTECTION: "RFC 6211, 2",
        Code.CONTENT_TYPE: "RFC 5652, 11.1",
        Code.MESSAGE_DIGEST: "RFC 5652, 11.2",
        Code.SIGNATURE_VALUE: "RFC 5652, 5.6",
        Code.SIGNER_UNKNOWN: "RFC 5652, 5.3",
        Code.ESS_MISSING: "RFC 3161, 2.4.2",
        Code.ESS_VERSION_1: "RFC 5816, 2.2.1",
        Code.ESS_DIFFERS: "RFC 5035, 3",
        Code.ESS_ISSUER_SERIAL: "RFC 5035, 4",
        Code.EKU_MISSING: "RFC 3161, 2.3",
        Code.EKU_NOT_CRITICAL: "RFC 3161, 2.3",
        Code.EKU_NOT_ALONE: "RFC 3161, 2.3",
        Code.UNIT_IS_AUTHORITY: "RFC 3161, 2.3",
        Code.UNIT_KEY_USAGE: "RFC 5280, 4.2.1.12",
        Code.UNIT_KEY_SHORT: "ETSI TS 119 312, 6",
        Code.UNIT_KEY_PERIOD: "RFC 3280, 4.2.1.4",
        Code.UNIT_NOT_VALID: "RFC 5280, 6.1.3",
        Code.NO_ANCHOR: "RFC 5280, 6.1",
        Code.NO_PATH: "RFC 5280, 6.1",
        Code.PATH_NOT_VALID: "RFC 5280, 6.1.3",
        Code.CERTIFICATES_UNRELATED: "RFC 3161, 2.4.1",
        Code.REVOCATION_NOT_CHECKED: "RFC 3161, 2.2",
        Code.REVOCATION_UNKNOWN: "RFC 3161, 2.2",
        Code.REVOCATION_OLDER: "ETSI EN 319 102-1, 5.2.5",
        Code.CERTIFICATE_REVOKED: "RFC 3161, 4",
        Code.CERTIFICATE_REVOKED_LATER: "RFC 3161, 4",
        Code.TST_VERSION: "RFC 3161, 2.4.2",
        Code.POLICY_MALFORMED: "RFC 3161, 2.4.2",
        Code.IMPRINT_ALGORITHM: "RFC 3161, 2.4.1",
        Code.SERIAL_NUMBER: "RFC 3161, 2.4.2",
        Code.GEN_TIME_FORM: "RFC 3161, 2.4.2",
        Code.GEN_TIME_FUTURE: "RFC 3161, 2.4.2",
        Code.ACCURACY_MISSING: "ETSI EN 319 422",
        Code.ACCURACY_COARSE: "ETSI EN 319 421",
        Code.ACCURACY_RANGE: "RFC 3161, 2.4.2",
        Code.DEFAULT_ENCODED: "X.690, 11.5",
        Code.TSA_NAME_DIFFERS: "RFC 3161, 2.4.2",
        Code.CRITICAL_EXTENSION: "RFC 3161, 2.4.2",
        Code.EXTENSION_MALFORMED: "ETSI EN 319 422",
    }
)
"""Where the demand behind each code stands."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    code: Code
    message: str
    """A sentence for a person; its words may change."""

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        if self.code in NOTE_CODES:
            return Severity.NOTE
        return Severity.NORM if self.code in NORM_CODES else Severity.INVALID

    @property
    def clause(self) -> str:
        """The clause that demands otherwise."""
        return CLAUSES[self.code]
