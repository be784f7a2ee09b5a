"""Metrics, hyperparameter selection, tables and plots."""
