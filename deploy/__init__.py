"""Set-up, demo PKI and demo token."""
