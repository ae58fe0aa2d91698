"""What the user's words select, and what of it a source can do for us."""
