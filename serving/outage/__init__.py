"""What goes on when the store is away? Decisions are taken with care, kept on disk, and recorded when it is back."""
