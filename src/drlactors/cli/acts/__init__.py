"""What the demo shows, act by act; each reads its figures from the log."""
