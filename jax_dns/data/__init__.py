"""Finds, decodes, caches, crops and samples recordings."""
