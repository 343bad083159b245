"""Which tables keep the regions of screened listings? Part of `index.store.tables`."""
