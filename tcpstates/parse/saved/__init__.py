"""Parse the saved output of other tools, of any system.

`reader` takes lines and detects their layout; each layout has its own module.
"""
