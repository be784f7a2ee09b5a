"""The fast path of Eq. 7 on one device."""
