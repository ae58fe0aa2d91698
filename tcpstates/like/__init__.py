"""Listings in the layout of other tools, for scripts and habits that expect it."""
