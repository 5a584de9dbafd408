"""What the airlock knows of a mounted slice: one index a slice, by which outputs are compared with what was mounted.

`normal` says when two spellings are one, `body` is the form of an index, `making` makes one, `reading` answers from it
behind the walls, `linkage` links rows to records, `keeping` is the sealed file on the disk.
"""
