"""One engine: static buffers and one CUDA graph per step."""
