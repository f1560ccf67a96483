"""Profiles of signatures, by name: one file each in this folder, read and checked at start."""
