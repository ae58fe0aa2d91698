"""The state machine as a drawing: one layout, and two renderers."""
