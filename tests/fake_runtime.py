"""A program that takes vLLM's command line and serves made-up answers: `python -m tests.fake_runtime MODEL --port N …`.

What MODEL is called decides how it behaves: `dies` ends at once with a word, `hangs` never answers.
"""

import itertools
import sys
import time

from tests.fake_server import FakeServer, stream, whole


def main(words: list[str]) -> None:
    """Serve until killed."""
    options = dict(itertools.pairwise(words))
    if words[0].endswith("dies"):
        sys.exit("no kernel image is available for this device")
    print("Using FAKE_ATTN attention backend\nGPU KV cache size: 12,345 tokens", flush=True)
    if words[0].endswith("hangs"):
        time.sleep(600)
    server = FakeServer(lambda body, n: stream(whole(), 0.002), int(options["--port"]), options["--served-model-name"], "vllm")
    server.start()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1:])
