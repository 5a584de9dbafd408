"""The launcher: access grants become time-limited, isolated workspaces with a gated way out."""

__version__ = "0.1.0"
"""This program's version: said by `tre version` and recorded with every release, also where no package is installed."""
