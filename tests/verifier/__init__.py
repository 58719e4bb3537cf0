"""The parts of verify.py, each written from docs/log-format.md alone."""
