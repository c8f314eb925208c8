"""miniserve in front of engines that nobody here wrote: llama.cpp's server and vLLM on a CPU.

These tests need those engines and are skipped where they are not; `make test` does not bring them.
Three variables say where they are (`miniserve.bench.peers` has them too):

- `MINISERVE_LLAMA_SERVER`: llama.cpp's `llama-server`, a path or a name;
- `MINISERVE_PEERS_PYTHON`: a Python with the `gguf` package, which converts the checkpoint;
- `MINISERVE_VLLM_PYTHON`: a Python with `vllm` built for CPUs.

Run them with `python -m pytest tests/engines -rs`: a minute for llama.cpp, two or three for vLLM.
What the engines answered is recorded in `tests/recorded_engines.py`, which `make test` does read.
"""
