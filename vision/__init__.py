"""Pixels to meaning: decode, hash, propose regions, embed, classify and describe.

The first package of the layer order: it imports nothing of `index`, `serving` or `training`. Arrays cross its edge,
tensors do not.
"""
