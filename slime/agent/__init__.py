"""The agent: dials out to a hub, takes requests from it one slot at a time, and asks its upstream."""
