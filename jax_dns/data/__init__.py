"""A folder of sound -> arrays."""
