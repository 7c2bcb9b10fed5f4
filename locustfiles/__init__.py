"""What happens: the locustfile, plans, phases, pacing, leases, users and channels."""
