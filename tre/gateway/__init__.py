"""The gateway: the only door between a browser and everything else.

Guarantees: whoever comes through was let in by `tre.gateway.decisions`, and what they may ask for stands on the
allow-list of `tre.gateway.paths`. It holds no database, no data and no credential but the key of its own cookies.

Does not guarantee: that a person who reads the screen forgets what it showed. See `tre.gateway.headers` for what
the browser is told to prevent, and the page on limits in the documentation for what it cannot.
"""
