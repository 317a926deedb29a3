"""A program that takes vLLM's command line, or llama.cpp's, and serves made-up answers: `python -m tests.fake_runtime MODEL --port N …`.

What MODEL is called decides how it behaves: `dies` ends at once with a word, `hangs` never answers, `dies-once-FILE` ends in the middle of
its fourth answer, with a word, unless FILE is there, which it then makes; `poisoned-WORD` ends in the middle of every answer to a prompt
with this word. An answer to a request that names a place of the server begins with it.
"""

import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any

from starlette.responses import Response

from tests.fake_server import FakeServer, event, stream, whole

LAST_WORDS = "torch.OutOfMemoryError: CUDA out of memory"


def behave(model: str, body: dict[str, Any], number: int) -> Response:
    """Answer a request, or end all."""
    poison = model.partition("poisoned-")[2]
    if poison and poison in body["messages"][-1]["content"]:
        return stream(whole()[:3], 0.002, lambda: print(LAST_WORDS, flush=True) or os._exit(7))
    mark = Path(model.partition("dies-once-")[2] or "/dev/null")

    def end() -> None:
        if not mark.exists():
            mark.touch()
            print(LAST_WORDS, flush=True)
            os._exit(7)

    answer = [event(f"place {body['id_slot']} "), *whole()] if "id_slot" in body else whole()
    return stream(answer[:3] if number == 3 and not mark.exists() else answer, 0.002, end if number == 3 else None)


def main(words: list[str]) -> None:
    """Serve until killed."""
    options = dict(itertools.pairwise(words))
    served_as, owner = (options["--alias"], "llamacpp") if "--alias" in options else (options["--served-model-name"], "vllm")
    if words[0].endswith("dies"):
        sys.exit("no kernel image is available for this device")
    print("Using FAKE_ATTN attention backend\nGPU KV cache size: 12,345 tokens", flush=True)
    if words[0].endswith("hangs"):
        time.sleep(600)
    server = FakeServer(lambda body, n: behave(words[0], body, n), int(options["--port"]), served_as, owner)
    server.start()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1:])
