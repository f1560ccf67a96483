"""PAdES signatures in two calls: admit, prepare, finish, release; verify and extend (ETSI EN 319 142-1)."""
