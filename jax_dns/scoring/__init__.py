"""Numbers per segment: a_G, the inlier model h, neighbours and Eq. 7."""
