"""Scenarios, performed with real sockets on loopback."""
