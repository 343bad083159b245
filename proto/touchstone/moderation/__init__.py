"""The moderation API, one subpackage for each version."""
