import dlt
from pyspark.sql import functions as F


@dlt.view
def changes():
    return spark.readStream.table("subscription_changes")


for target, scd_type in (("subscriptions_now", 1), ("subscriptions_history", 2)):
    dlt.create_streaming_table(target)
    dlt.apply_changes(
        target=target,
        source="changes",
        keys=["id"],
        sequence_by="seq",
        apply_as_deletes=F.expr("op = 'DELETE'"),
        except_column_list=["op", "seq"],
        stored_as_scd_type=scd_type,
    )
