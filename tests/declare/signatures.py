"""The functions of databricks-dlt 0.3.0, as facts: parameters in order, with their defaults."""

_TABLE = (
    "query_function=None name=None comment=None spark_conf=None table_properties=None "
    "partition_cols=None path=None schema=None temporary=False cluster_by=None row_filter=None"
)
_VIEW = "query_function=None name=None comment=None spark_conf=None"
_STREAMING_TABLE = (
    "name comment=None spark_conf=None table_properties=None partition_cols=None path=None "
    "schema=None expect_all=None expect_all_or_drop=None expect_all_or_fail=None cluster_by=None "
    "row_filter=None"
)
SIGNATURES = {
    "append_flow": "name=None target=None comment=None spark_conf=None once=False",
    "apply_changes": (
        "target source keys sequence_by where=None ignore_null_updates=None apply_as_deletes=None "
        "apply_as_truncates=None column_list=None except_column_list=None stored_as_scd_type='1' "
        "track_history_column_list=None track_history_except_column_list=None flow_name=None "
        "once=False ignore_null_updates_column_list=None "
        "ignore_null_updates_except_column_list=None columns_to_update=None"
    ),
    "apply_changes_from_snapshot": (
        "target source=None keys=None stored_as_scd_type=None snapshot_and_version=None "
        "track_history_column_list=None track_history_except_column_list=None"
    ),
    "create_streaming_table": _STREAMING_TABLE,
    "expect": "name inv",
    "expect_all": "expectations",
    "expect_all_or_drop": "expectations",
    "expect_all_or_fail": "expectations",
    "expect_or_drop": "name inv",
    "expect_or_fail": "name inv",
    "on_event_hook": "user_event_hook_fn=None max_allowable_consecutive_failures=None",
    "read": "name",
    "readStream": "name",
    "read_stream": "name",
    "table": _TABLE,
    "view": _VIEW,
}
# Deprecated names take whatever their replacements take.
DEPRECATED = {
    "create_streaming_live_table": _STREAMING_TABLE,
    "create_table": _TABLE,
    "create_target_table": _STREAMING_TABLE,
    "create_view": _VIEW,
}
