"""Does an interval of 95 % hold the truth 95 times in 100? Made-up measurements whose truth is known, and how often each interval holds it.

`python -m tests.simulations` prints the table of docs/statistics.md; the tests run the same scenarios fewer times.
"""
