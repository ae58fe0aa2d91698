"""Parse bytes or text into columns. Pure: no module here does I/O or waits."""
