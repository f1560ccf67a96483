"""XAdES baseline signatures (ETSI EN 319 132-1)."""
