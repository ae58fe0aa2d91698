"""What the tests are made with: `labs` and `hosts` run as programs of their own.

They start as `python -m support.labs.NAME` with this folder's parent in PYTHONPATH.
"""

# How a program ends where the machine lacks what it needs: its tests are skipped.
CANNOT = 77
