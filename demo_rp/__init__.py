"""Demo relying party. Empty until the HTTP API exists (FTS-ENV-2)."""
