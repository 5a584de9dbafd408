"""Access grants as resources of a Kubernetes cluster: a door into the record, and a window onto it."""
