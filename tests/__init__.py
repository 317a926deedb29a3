"""Variables of every process of the tests, set before anything is imported that reads them as it is loaded.

One thread: threads of a small product of matrices, or of a tiny model, wait for one another more than they work. The simulations of the
intervals took 119 s of CPU with two threads and 63 with one.

The compiler of torch believes that the C++ compiler knows the instructions of this processor, and compiles nothing to find out. It chooses
the same: where nothing was compiled before, the compiled tests of `test_static_decode.py` take 26 s of CPU instead of 32.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TORCHINDUCTOR_VEC_ISA_OK", "1")
