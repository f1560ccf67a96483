"""ASiC: a file and what proves something about it in one container (ETSI EN 319 162-1)."""
