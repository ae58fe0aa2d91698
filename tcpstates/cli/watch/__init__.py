"""Look again and again: blocks in a pipe, events for programs, a screen for people."""
