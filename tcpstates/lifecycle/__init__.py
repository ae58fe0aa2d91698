"""A TCP connection's life as data: state machine, explanations, scenarios."""
