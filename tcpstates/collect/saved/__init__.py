"""Saved listings as a source: files, compressed or not, directories and archives.

`source` is the entrance. `archive` opens what may hold many files, `listings` finds the
listings in it, `text` turns bytes into lines, `remarks` says what was lost.
"""
