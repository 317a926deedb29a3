"""The measuring side: runs a model over prompts and writes one row of Parquet per prompt."""

HARNESS_VERSION = "2.1"
"""Version of the measuring protocol. A change that can move joules moves this number, and charts refuse to mix."""
BATCHES_HARNESS_VERSION = "2.4"
"""The same for static batches of the compiled engine: 2.3 attends in another way, 2.4 copies no keys. One answer at a time is as by 2.1."""
SERVED_HARNESS_VERSION = "2.2"
"""The same for answers of a server. 2.2 sends no seed with each request, and warms a server up until two rounds cost the same."""
