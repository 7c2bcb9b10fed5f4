"""What paystorm adds to Locust's web UI: a page about payments, a login with roles, and a fence."""
