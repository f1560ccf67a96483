"""RFC 3161: requests, tokens, their strict verification, the authority and a client for it."""
