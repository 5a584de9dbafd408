"""The audit log: a Merkle tree over everything that happened, signed by one key, provable to anybody.

`merkle` is the mathematics, `checkpoint` and `keys` the signature, `sequencer` what grows the log, `proof` what shows
that one event is in it, `verify` and `export` what checks it, `spool` and `intake` how endings reach it when
nothing else lives, `status` what to show about it.
"""
