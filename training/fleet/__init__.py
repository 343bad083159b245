"""How large must a fleet be, and what does it do when parts of it fail? Sizes from measured costs, and a simulation.

`sizing` reckons with averages: cores, GPUs, memory, disk. `simulate` plays a peak hour with what averages hide: queues,
replicas and GPUs that fail, a zone that goes dark, a store that fails over, callers that try again. docs/scale.md shows
what both say.
"""
