from pyspark import pipelines as dp
from pyspark.sql.functions import col, expr


@dp.temporary_view
def changes():
    return spark.readStream.table("cdc_users")


@dp.temporary_view
def changes_of_users():
    return spark.readStream.table("cdc_users").where("operation <> 'TRUNCATE'")


@dp.temporary_view
def old_changes():
    return spark.read.table("old_users")


def declare(target, source, **arguments):
    dp.create_auto_cdc_flow(
        target=target,
        source=source,
        keys=["userId"],
        sequence_by=col("sequenceNum"),
        apply_as_deletes=expr("operation = 'DELETE'"),
        except_column_list=["operation", "sequenceNum"],
        stored_as_scd_type="1",
        **arguments,
    )


dp.create_streaming_table("users_truncated")
declare("users_truncated", "changes", apply_as_truncates=expr("operation = 'TRUNCATE'"))

dp.create_streaming_table("users_sparse")
declare("users_sparse", "changes_of_users", ignore_null_updates_column_list=["name"])

dp.create_streaming_table("users_filled")
declare("users_filled", "changes_of_users")
declare("users_filled", "old_changes", name="backfill", once=True)
