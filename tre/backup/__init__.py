"""Backup and restore of one launcher: the record, the vault, policies, settings and, sealed, every key."""
