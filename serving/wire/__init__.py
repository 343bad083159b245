"""Between protobuf and the domain: what a request may say, and how an answer is written."""
