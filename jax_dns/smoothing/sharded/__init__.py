"""The fast path of Eq. 7 over several devices."""
