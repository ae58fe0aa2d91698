"""What other tools have printed, on any system, read back.

`reader` takes lines and knows which layout they are in; each layout has a module.
"""
