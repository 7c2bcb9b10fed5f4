"""Exporters: a pool as files for other tools."""
