"""The Hub: JupyterHub as a part that decides nothing and owns nothing.

It offers sign-in, named servers, the REST API and the pages people know. What a workspace is and whether it runs
stands in the record, which the controller keeps; the Hub only reads it. Its database may be deleted at any time:
started empty, it is told of every live workspace again.
"""
