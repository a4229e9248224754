"""Many providers of one HTTP API behind one address: a hub, and agents that dial out to it."""

__version__ = "1.0.0.dev0"
