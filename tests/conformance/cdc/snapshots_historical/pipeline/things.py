from pyspark import pipelines as dp
from pyspark.sql.functions import col


def next_snapshot(latest_version):
    known = spark.read.table("snapshots")
    if latest_version is not None:
        known = known.where(col("version") > latest_version)
    version = known.selectExpr("min(version) AS version").first()["version"]
    if version is None:
        return None
    return known.where(col("version") == version).drop("version"), version


dp.create_streaming_table("history")
dp.create_auto_cdc_from_snapshot_flow(
    target="history", source=next_snapshot, keys=["id"], stored_as_scd_type=2
)

dp.create_streaming_table("history_of_name")
dp.create_auto_cdc_from_snapshot_flow(
    target="history_of_name",
    source=next_snapshot,
    keys=["id"],
    stored_as_scd_type=2,
    track_history_column_list=["name"],
)
