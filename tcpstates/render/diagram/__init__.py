"""The state machine as a drawing: where things stand, and two ways to draw them."""
