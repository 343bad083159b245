"""How fast is this installation? Everything that decides it, measured side by side in one run: `touchstone bench`."""
