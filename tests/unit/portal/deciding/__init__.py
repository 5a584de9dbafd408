"""Deciding at the desk."""
