"""One HTML page that teaches: the diagram, states, sequences, names and words."""
