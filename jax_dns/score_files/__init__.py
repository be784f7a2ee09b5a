"""Other systems' scores and features: read, join, select K, evaluate, write."""
