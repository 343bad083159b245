"""Version 1 of the moderation API: protos with their generated stubs beside them (`python proto/generate.py`)."""
