"""REMS as a source of grants: asked for the truth, listened to for what ends."""
