"""Programs to be recorded: ordinary ones, and harmless emulations of what malware does.

Each runs alone as ``python3 -m app.main`` in a scratch folder that is its home, talks to loopback only, and ends by
itself. ``kit.begin`` refuses to run anywhere else. The files are copied there under neutral names.
"""
