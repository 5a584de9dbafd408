"""A small NetworkPolicy engine for the tests' own node: it exists so that policies meet real packets.

It covers podSelector, namespaceSelector, ipBlock with except, ports, endPort, named ports, TCP, UDP and SCTP, IPv4
and IPv6. It knows one node and pods on routed pairs of interfaces, and is no part of the product.
"""
