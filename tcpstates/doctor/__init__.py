"""Rules that find what is stuck, name who is to blame, and say what to do."""
