"""What is sent: the payments domain, the scenario pool, ids, the oracle and the platform adapter."""
