"""One thread for each process of the tests, set before anything is imported that starts threads as it is loaded.

Threads of a small product of matrices, or of a tiny model, wait for one another more than they work: the simulations of the intervals took
119 s of CPU with two threads and 63 with one.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
