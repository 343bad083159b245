"""Bulk scans: a manifest of listings through the same pipeline, on this machine or on several, to a file of results."""
