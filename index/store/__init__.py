"""The registry: what Touchstone knows, kept in a database.

`index.store.store.Store` is the way in; `tables` names what is kept, `engine` opens the database, `migrate` brings it
to the current schema, and there is one module per aggregate.
"""
