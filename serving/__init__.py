"""The service: listings in, decisions out. Domain, policy, pipeline, gRPC server, client and command line."""
