"""CAPEv2 as a sandbox of ours: its running tasks are followed, and what it can do is done."""
