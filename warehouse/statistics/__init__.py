"""What the numbers are worth: intervals, pairs, fits and checks. Frames and arrays in, frames out; no SQL, no screens.

Every interval is a 95 % interval, seeded: the same rows give the same interval. docs/statistics.md explains each method and has its
measured coverage.
"""
