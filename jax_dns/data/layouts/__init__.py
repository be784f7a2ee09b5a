"""Layouts: how data sets arrange recordings in folders, one file each."""

from jax_dns.data.layouts.detect import detect
from jax_dns.data.layouts.index_clips import LAYOUTS, Layout, index_clips

__all__ = ["LAYOUTS", "Layout", "detect", "index_clips"]
