"""Carries the services' unix sockets between pods; see `tre.link.table` for who reaches whom."""
