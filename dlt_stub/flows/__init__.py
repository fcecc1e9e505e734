"""Flows: what a query reads, and how its rows reach their target once and only once."""
