"""What the words of a listing give away, whatever way they are written."""
