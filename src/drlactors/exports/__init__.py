"""What leaves the system for others to read: receipts of sessions, and what was learned, in their formats."""
