"""A sandbox's side: the SDK, the local Linux sandbox, recordings, importers."""
