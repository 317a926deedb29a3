#!/usr/bin/env bash
# What a GPU machine without network needs, packed where there is one: pack.sh OUT {bench|vllm|sglang|llama.cpp|aiperf}…
# Each becomes OUT/NAME.tar.xz; on the GPU machine unpack.sh puts them where bench finds them. The GPU machine has Linux x86-64, CUDA 13,
# Python 3.12, torch 2.11 and transformers 5.17 of its own (seen on an H200, driver 580), and a checkout of this project.
# llama.cpp needs nvcc 13 here, no GPU: some 19 minutes of two processors. ARCH=90 is the H100's and H200's.
set -euo pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd); shift
here=$(cd "$(dirname "$0")" && pwd); arch=${ARCH:-90}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
glibc=(5 12 17 24 26 27 28 31 34 35 38 39); old=(1 2010 2014); platforms=(--platform any)
for n in "${glibc[@]}"; do platforms+=(--platform "manylinux_2_${n}_x86_64"); done
for n in "${old[@]}"; do platforms+=(--platform "manylinux${n}_x86_64"); done
wanted=(--only-binary=:all: --python-version 3.12 --implementation cp --abi cp312 --abi abi3 --abi none "${platforms[@]}")
get() {  # get FOLDER PACKAGE…: those packages, without what they need, unpacked
    local to=$work/$1; shift
    python3 -m pip download --quiet --disable-pip-version-check --no-deps "${wanted[@]}" --dest "$to.wheels" "$@"
    for wheel in "$to.wheels"/*.whl; do python3 -m zipfile -e "$wheel" "$to"; done
    find "$to" -name __pycache__ -prune -exec rm -rf {} +
}
smaller() { find "$1" -name '*.so' -size +200k -exec strip --strip-unneeded {} + 2> /dev/null || true; }
packed() { smaller "$work/$1"; tar -C "$work/$1" -c "${@:3}" . | xz -T0 -4 > "$out/$2.tar.xz"; ls -l "$out/$2.tar.xz"; }
thin() { python3 "$here/thin.py" --arch "$arch" "$@"; }

bench() {
    get bench fschat==0.2.36 polars==2.1.0 polars-runtime-32==2.1.0 zeus==0.16.0 tyro==1.0.17 typeguard==4.6.1 docstring-parser==0.18.0 gguf==0.19.0 wcwidth
    packed bench bench --exclude ./fastchat/serve --exclude ./fastchat/llm_judge --exclude ./tests --exclude ./docs --exclude ./examples
}

vllm() {  # its packages of 2026-11 (they stay together); left out: what the models of the protocol do not touch
    get vllm vllm==0.22.1 xgrammar==0.2.5.post1 humming-kernels==0.1.2 -r "$here/vllm.txt"
    local at=$work/vllm
    rm -rf "$at"/vllm/{vllm-rs,_flashmla*.so,third_party/deep_gemm,vllm_flash_attn/_vllm_fa2_C.abi3.so} "$at"/xgrammar/lib/*.a "$at"/pycountry/locales
    rm -rf "$at"/mistral_common/data
    thin "$at/vllm/vllm_flash_attn/_vllm_fa3_C.abi3.so" --head-dims 64 128
    thin "$at"/vllm/{_C,_moe_C,_C_stable_libtorch}.abi3.so
    packed vllm vllm
}

sglang() {  # beside vllm's packages, of which it uses many
    get sglang sglang==0.5.15 sglang-kernel==0.4.4 flashinfer_python==0.6.12 orjson soundfile==0.13.1 ipython traitlets pexpect ptyprocess decorator \
        stack-data executing asttokens pure-eval jedi parso matplotlib-inline prompt-toolkit pygments
    local at=$work/sglang
    python3 -m pip install --quiet --disable-pip-version-check --target "$work/tools" zstandard
    PYTHONPATH=$work/tools thin "$at/sgl_kernel/flash_ops.abi3.so" --head-dims 64 128
    thin "$at"/sgl_kernel/{sm90/common_ops,flashmla_ops,spatial_ops}.abi3.so
    rm -f "$at"/sgl_kernel/sm100/*.so
    # FlashInfer would compile its norms on the GPU machine; transformers 5.17 knows models that this version registers itself.
    sed -i 's/^    _has_flashinfer = True/    _has_flashinfer = False/' "$at/sgl_kernel/elementwise.py"
    cat - "$at/sglang/__init__.py" > "$work/init" <<- 'PY'
	from transformers import AutoConfig as _AutoConfig
	_register = _AutoConfig.register
	_AutoConfig.register = staticmethod(lambda model_type, config, exist_ok=False: _register(model_type, config, exist_ok=True))
	PY
    mv "$work/init" "$at/sglang/__init__.py"
    packed sglang sglang --exclude ./sglang/multimodal_gen --exclude ./sglang/test --exclude ./jedi/third_party --exclude ./flashinfer/data/cutlass
}

llama.cpp() {  # the source that llama-cpp-python brings, linked against a stub of the driver
    local at=$work/llama cuda=$work/cublas/nvidia/cu13
    mkdir "$at"; python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$at" llama-cpp-python==0.3.36
    tar -C "$at" -xzf "$at"/*.tar.gz
    get cublas nvidia-cublas==13.1.0.3
    ln -s libcublas.so.13 "$cuda/lib/libcublas.so"; ln -s libcublasLt.so.13 "$cuda/lib/libcublasLt.so"
    mkdir "$at/stub"
    for name in DeviceGet DeviceGetAttribute GetErrorString Mem{GetAllocationGranularity,AddressReserve,AddressFree,Create,Map,Unmap,Release,SetAccess}; do
        echo "int cu$name(void) { return 999; }"
    done > "$at/stub/driver.c"
    gcc -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$at/stub/libcuda.so.1" "$at/stub/driver.c"
    cmake -G Ninja -S "$at"/llama_cpp_python-*/vendor/llama.cpp -B "$at/b" -DCMAKE_BUILD_TYPE=Release -DGGML_CUDA=ON -DGGML_NATIVE=OFF \
        -DCMAKE_CUDA_ARCHITECTURES="$arch" -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DCUDA_cuda_driver_LIBRARY="$at/stub/libcuda.so.1" \
        -DCUDA_cublas_LIBRARY="$cuda/lib/libcublas.so" -DCUDA_cublasLt_LIBRARY="$cuda/lib/libcublasLt.so" \
        -DCMAKE_CUDA_FLAGS="-I$cuda/include" -DCMAKE_CXX_FLAGS="-I$cuda/include" > "$at/cmake.log"
    LD_LIBRARY_PATH=$at/stub nice ninja -C "$at/b" llama-server llama-bench llama-quantize > "$at/ninja.log" || { tail -n 20 "$at/ninja.log"; return 1; }
    packed llama/b/bin llama.cpp
}

aiperf() {  # without what the GPU machine has, and without its plots and its cluster mode
    python3 -m pip install --quiet --disable-pip-version-check --target "$work/aiperf" "${wanted[@]}" aiperf==0.13.0
    (cd "$work/aiperf" && rm -rf bin numpy* pyarrow* transformers* scipy* pandas* matplotlib* mpl_toolkits fontTools fonttools* pillow* PIL tokenizers* hf_xet* \
        pygments* aiohttp* huggingface_hub* setuptools* pkg_resources kiwisolver* sentencepiece* _pytest pytest* regex* plotly* dash* kubernetes_asyncio* \
        seaborn* optuna* sqlalchemy* alembic* share contourpy*; find . -name __pycache__ -prune -exec rm -rf {} +)
    packed aiperf aiperf
}

for name in "$@"; do "$name"; done
