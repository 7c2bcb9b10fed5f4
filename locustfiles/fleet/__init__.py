"""The fleet: one master that owns the shards, and the workers that send."""
