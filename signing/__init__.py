"""AdES engine: profiles, PAdES, trust and revocation, cards. Knows no account, database or web framework."""
