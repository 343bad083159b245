"""A service over invented brands and listings, to try out and to show."""
