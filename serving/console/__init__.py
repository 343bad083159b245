"""What people see: pages for moderators, leads and brand owners, drawn on the server.

THE CONSOLE DOES NOTHING THAT THE API CANNOT. It is a client of the gRPC service: each page's data come from an rpc that
carries the signed-in person's own credential, so what somebody may see and do is decided in one place, the service.
Nothing here touches the store, a blob or a record.

`serving.console.application` puts it together, `serving.console.running` listens, `serving.console.pages` holds the
pages and says how to add one.
"""
