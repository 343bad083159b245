"""The public API of Touchstone as generated from the protos; `proto/` is the source root that it is imported from."""
