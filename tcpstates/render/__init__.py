"""Renderers turn batches into strings; only the command line writes output."""
