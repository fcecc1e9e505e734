import dlt
from pyspark.sql import functions as F

dlt.create_streaming_table("accounts")
dlt.apply_changes(
    target="accounts",
    source="account_changes",
    keys=["id"],
    sequence_by=F.struct("updated_at", "transaction_number"),
    column_list=["id", "status"],
)
