"""Joules of a window, with an error bar, or the reason why there are none."""
