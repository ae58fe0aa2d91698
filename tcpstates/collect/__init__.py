"""Reads the system: sockets, their owners, and names. The only place with I/O.

Each source is named by what it reads, never by an operating system.
"""
