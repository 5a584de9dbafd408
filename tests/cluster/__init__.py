"""Tests against a real Kubernetes: an API server, and where the machine allows a node with real pods and packets."""
