"""The ``dlt-stub`` command: one module a verb, and the displays they share."""
