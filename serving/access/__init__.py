"""Who calls, and may they? Credentials, permissions, and how often."""
