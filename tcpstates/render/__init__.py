"""Text out of batches. Renderers return strings; only the command line writes."""
