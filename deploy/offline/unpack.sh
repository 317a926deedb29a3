#!/usr/bin/env bash
# On the GPU machine, in the checkout: deploy/offline/unpack.sh PACKS INTO makes INTO/env.sh; then `. INTO/env.sh` and `python3 -m bench run …`.
set -euo pipefail
packs=$(cd "$1" && pwd); into=$(mkdir -p "$2" && cd "$2" && pwd); root=$(cd "$(dirname "$0")/../.." && pwd)
waited=()
for pack in "$packs"/*.tar.xz; do
    case $(basename "$pack" .tar.xz) in bench | vllm) to=$into/site ;; *) to=$into/$(basename "$pack" .tar.xz) ;; esac
    mkdir -p "$to"; tar -xJf "$pack" -C "$to" & waited+=($!)
done
for process in "${waited[@]}"; do wait "$process"; done
mkdir -p "$into"/site/prompt_joules "$into"/programs
ln -sfn "$root"/{bench,ingest,warehouse,pages} "$root"/pages/front/*.py "$into/site/prompt_joules/"
if [ -d "$into/llama.cpp" ]; then  # cuBLAS is PyTorch's
    cuda=$(python3 -c 'import nvidia.cu13 as it; print(list(it.__path__)[0])')/lib
    for name in llama-server llama-bench llama-quantize; do
        printf '#!/bin/sh\nLD_LIBRARY_PATH=%s:%s exec %s "$@"\n' "$into/llama.cpp" "$cuda" "$into/llama.cpp/$name" > "$into/programs/$name"
        chmod +x "$into/programs/$name"
    done
fi
if [ -d "$into/aiperf" ]; then
    printf '#!/bin/sh\nPYTHONPATH=%s exec python3 -c "import sys; from aiperf.cli import app; sys.argv[0] = \\"aiperf\\"; sys.exit(app())" "$@"\n' \
        "$into/aiperf" > "$into/programs/aiperf"
    chmod +x "$into/programs/aiperf"
fi
cat > "$into/env.sh" <<- SH
	export PYTHONPATH=$into/site:$into/sglang PATH=$into/programs:\$PATH
	export HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 VLLM_USE_FLASHINFER_SAMPLER=0
SH
echo ". $into/env.sh"
