"""The audit log: what an entry is, how entries are chained, and how a chain is checked. `index.store` keeps it."""
