"""SQL source files: their statements declare what the decorators of ``import dlt`` declare."""

from dlt_stub.sql_sources.declare import SqlSources

__all__ = ["SqlSources"]
