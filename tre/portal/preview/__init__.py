"""What people see of a file that came out of a workspace.

Guarantees: the portal never has the file. It has the extract that a confined child made of it, shows its texts as text
and nothing else, and leaves pictures and drawings to a host of their own, without cookies and behind a sandbox.

Does not guarantee: that an extract is true to its file: it is a claim of the child that looked at hostile bytes.

Threat: a file that attacks the browser of whoever decides on it, which is an attack on the button that lets it out.
"""
