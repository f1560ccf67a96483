"""The register of processing activities (GDPR article 30(2), FTS-GDPR-4)."""
