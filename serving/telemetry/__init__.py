"""What goes on inside: metrics, traces and logs of a running service. Importing it starts nothing."""
