"""The texts that the page's scripts show, in English; gettext has the others (`locale/`)."""

from typing import Final

SCRIPT_TEXTS: Final = {
    "loading": "Opening your signing request …",
    "link_incomplete": "The link is incomplete. Open it again from the organisation that sent you.",
    "offline": "The connection was lost. Trying again …",
    "retry": "Try again",
    "searching": "Looking for your card …",
    "no_software": "The card software does not answer. Install or start it; this page then goes on by itself.",
    "no_reader": "No card reader was found. Connect your reader; this page then goes on by itself.",
    "no_card": "No usable card was found. Put your eID card in the reader; this page then goes on by itself.",
    "cards_found": "Several cards were found. Choose yours.",
    "signs_as": "You sign as",
    "name_unknown": "the holder of this card",
    "sign": "Sign",
    "busy": "The card is used by another program. Close that program and try again.",
    "pin_2_attempts_left": "The PIN is wrong. 2 attempts are left. Try again with the right PIN.",
    "pin_1_attempt_left": (
        "The PIN is wrong. 1 attempt is left before the card blocks. Continue only if you are sure of your PIN."
    ),
    "pin_incorrect": "The PIN is wrong. Try again with the right PIN.",
    "pin_length": "A PIN has 4 to 12 digits. Try again.",
    "pin_too_short": "A PIN has 4 to 12 digits. Try again.",
    "pin_too_long": "A PIN has 4 to 12 digits. Try again.",
    "pin_3_attempts_left": "The PIN is wrong. Try again with the right PIN.",
    "unsupported_reader": "This card reader cannot be used here. Connect another card reader and try again.",
    "card_blocked": (
        "Your card is blocked after too many wrong PINs. Your municipality can unblock it; you can also "
        "use another card."
    ),
    "cancel": "You did not enter your PIN; nothing was signed. Try again when you are ready.",
    "pin_timeout": "The PIN was not entered in time; nothing was signed. Try again.",
    "card_failed": "The card could not sign. Take it out, put it back and try again; if it persists, ask for help.",
    "popup_blocked": "The browser did not let the window for your PIN open. Open it with the link below.",
    "step_prepare": "Your certificate is checked",
    "step_pin": "Enter your PIN in the window of the card software or on the card reader",
    "step_timestamp": "The time is recorded",
    "step_revocation": "The validity of your certificate is proven",
    "step_archive": "The signature is sealed for the long term",
    "step_check": "The signed document is checked",
    "step_done": "done",
    "step_now": "in progress",
    "end_completed": "You have signed the document",
    "end_completed_text": "The organisation has been told and can fetch the signed document.",
    "end_declined": "You declined to sign",
    "end_declined_text": "Nothing was signed. The organisation has been told.",
    "end_cancelled": "The organisation has withdrawn its request",
    "end_cancelled_text": "Nothing was signed. Ask the organisation if you did not expect this.",
    "end_failed": "The document could not be signed",
    "end_expired": "The time to sign is over",
    "end_expired_text": "Nothing was signed. Ask the organisation for a new link.",
    "return": "Return to the organisation",
    "return_in": "You go back by yourself in %s seconds.",
    "stay": "Stay on this page",
    "page": "Page %s",
    "page_text": "Text of page %s",
    "part": "Part %s",
    "part_failed": "Part %s cannot be shown.",
    "page_empty": "This page has no text that can be read.",
    "page_failed": "Page %s cannot be shown.",
    "problem_LINK_INVALID": (
        "The link is not valid or no longer exists. Open it again from the organisation that sent you."
    ),
    "problem_SESSION_REQUIRED": (
        "This page is no longer open here. Open the link again from the organisation that sent you."
    ),
    "problem_SESSION_REPLACED": (
        "The link was opened in another window or browser. Continue there, or open the link again here."
    ),
    "problem_SIGNING_ENDED": "This signing request has ended already. Ask the organisation if you have questions.",
    "problem_SIGNING_FINISHING": "You have signed; the signed document is being made. Wait a few seconds.",
    "problem_SIGNING_EXPIRED": "The time to sign is over. Ask the organisation for a new link.",
    "problem_SIGNER_NOT_ALLOWED": (
        "This document must be signed by another person. Use the card of the person who was invited."
    ),
    "problem_CERTIFICATE_EXPIRED": "The certificate on your card is not valid now. Use a card that is valid.",
    "problem_CERTIFICATE_REVOKED": (
        "The certificate on your card has been revoked. Ask your municipality for a new card."
    ),
    "problem_CERTIFICATE": "This certificate cannot be used to sign here. Use another card.",
    "problem_REVOCATION": (
        "It could not be established whether your certificate is valid, because its authority's service "
        "does not answer well. Try again later."
    ),
    "problem_TIMESTAMP": (
        "The time could not be recorded, because the timestamping service does not answer well. The "
        "organisation can ask you again later."
    ),
    "problem_SIGNATURE_MISMATCH": (
        "What the card signed does not belong to this document; nothing was signed. Try again."
    ),
    "problem_DOCUMENT": (
        "The document is not as it was when you were asked, or cannot be signed. Nothing was signed; ask "
        "the organisation."
    ),
    "problem_SIGNING_STATE": "The signing has moved on in the meantime. Reload the page.",
    "problem_OTHER": "Something went wrong here. Try again; if it persists, ask for help and quote the reference.",
}
"""By the name that the scripts know: result codes of the card, steps, ends, problems."""
