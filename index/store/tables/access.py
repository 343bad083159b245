"""Which tables keep API keys and whom they stand for? Part of `index.store.tables`."""
