"""How do the networks run in a Triton server? What the server loads, and the clients that look like networks here.

`training.export_triton` writes a model repository. In the server `backend` answers for each of its models with the same
code that embeds without one; in the service `embedder` and `finder` send pictures over `connection`. Both sides take
what they must agree on from `naming`.
"""
