"""The seed catalogue: which brands and marks a new installation starts with, and how an SVG becomes pixels."""
