"""Eq. 7 on the CPU in NumPy: nothing to compile."""
