"""What is known and how it is found: money and prices, the registry store, vector indexes and their snapshots.

`index` may import `vision`; `serving` and `training` import both. Importing this package opens nothing.
"""
