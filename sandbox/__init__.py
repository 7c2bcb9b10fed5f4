"""A payments platform to test against. It shares no code with the tester."""
