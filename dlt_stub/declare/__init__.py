"""Declarations: what source files say, recorded without running a query."""
