import dlt
from pyspark.sql.functions import col, expr


@dlt.view
def users():
    return spark.readStream.table("cdc_users")


dlt.create_streaming_table("users_current")
dlt.apply_changes(
    target="users_current",
    source="users",
    keys=["userId"],
    sequence_by=col("sequenceNum"),
    apply_as_deletes=expr("operation = 'DELETE'"),
    except_column_list=["operation", "sequenceNum"],
    stored_as_scd_type=1,
)

dlt.create_streaming_table("users_history")
dlt.apply_changes(
    target="users_history",
    source="users",
    keys=["userId"],
    sequence_by=col("sequenceNum"),
    apply_as_deletes=expr("operation = 'DELETE'"),
    except_column_list=["operation", "sequenceNum"],
    stored_as_scd_type="2",
)

dlt.create_streaming_table("users_history_but_city")
dlt.apply_changes(
    target="users_history_but_city",
    source="users",
    keys=["userId"],
    sequence_by=col("sequenceNum"),
    apply_as_deletes=expr("operation = 'DELETE'"),
    except_column_list=["operation", "sequenceNum"],
    stored_as_scd_type="2",
    track_history_except_column_list=["city"],
)
