"""Bytes or text in, columns out. Pure: nothing here reads, prints or waits."""
