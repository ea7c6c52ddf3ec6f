"""Bad input: whatever a sandbox sends has a defined answer, and nobody else notices."""
