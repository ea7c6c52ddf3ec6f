"""drlactors: decides, window by window, what to do about a sample that runs in a malware sandbox."""
