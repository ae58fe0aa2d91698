"""Perform scenarios with real sockets on loopback."""
