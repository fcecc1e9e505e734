"""Holds ``dlt_stub_python_daemon``, which Spark's Java side starts by that name alone."""
