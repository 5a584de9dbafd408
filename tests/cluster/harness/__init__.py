"""Builds, starts and removes a one-node Kubernetes cluster of the tests' own; no part of the product."""
