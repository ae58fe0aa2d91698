"""The command line: options in, exit code out. Only here is click, and output."""
