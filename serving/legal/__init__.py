"""What the law asks of a takedown: grounds, times, statements of reasons, the public register."""
