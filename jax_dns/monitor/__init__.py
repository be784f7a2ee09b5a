"""The operating phase: a service that scores recordings as they arrive and keeps their history."""
