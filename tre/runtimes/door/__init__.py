"""The one program of a pod that has a network: it passes the gateway's connections to the sealed workspace.

It runs beside the workspace in the same pod, without data, without a credential of the cluster, with nothing of the
launcher but this package, `tre.runtimes.init` and the standard library.
"""
