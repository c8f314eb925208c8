"""Other people's engines beside this one: the same checkpoint, prompts, threads and hour.

`workload`
    what everybody is asked.
`engines`
    one small class for each engine, in a file of its own: start, run, stop.
`host`
    runs one of them in a process of its own, in whatever Python has it installed.
`child`
    the other end of that process.
`compare`
    rounds in alternating order, medians, ratios. Pure.
`over_http`
    two servers under the same open load.
`results`
    `peers.json` and `peers.md`.

`make bench-peers` runs all that is installed and says why the others are left out. Where they are
installed is told by three variables, none of which is needed:

- `MINISERVE_PEERS_PYTHON`: a Python with `transformers` and `torch`, `gguf`, `openvino-genai`,
  `ctranslate2` and `tokenizers`, or some of them;
- `MINISERVE_VLLM_PYTHON`: one with `vllm` built for CPUs;
- `MINISERVE_LLAMA_SERVER`: llama.cpp's `llama-server`. The checkpoint is turned into its format by
  the `gguf` package of the first Python.
"""
