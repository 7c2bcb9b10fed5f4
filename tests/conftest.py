"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says how busy the machine is, and nothing of the rule.
settings.register_profile("paystorm", deadline=None)
settings.load_profile("paystorm")
