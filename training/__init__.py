"""Evaluation and fitting: metrics as pure numpy, the evaluations of the served pipeline, and what trains its artefacts.

`training` stands rightmost: it may import everything, and nothing imports it. Importing this package starts nothing.
"""
