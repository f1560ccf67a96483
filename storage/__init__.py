"""Object store and key store ports. Empty until documents are stored (FTS-GDPR-1, FTS-SEC-3)."""
