"""Untrusted images, decoded where they can do no harm: a pool of processes that may crash, hang or starve alone."""
