"""The timestamping authority as processes: configuration, composition, door, health, supervision, demo."""
