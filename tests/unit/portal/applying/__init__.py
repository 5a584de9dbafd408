"""Applying at the desk."""
