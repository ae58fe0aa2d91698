"""The life of a TCP connection as data: the state machine, its words, its scenarios."""
