"""The parts of a plan, one table of its TOML file in each module."""
