from pathlib import Path

from pyspark import pipelines as dp

FOLDER = f"{spark.conf.get('landing')}/snapshots"


def next_snapshot_and_version(latest_version):
    version = (latest_version or 0) + 1
    path = f"{FOLDER}/{version}.csv"
    if not Path(path).exists():
        return None
    columns = "key INT, tracked STRING, other STRING"
    return spark.read.schema(columns).option("header", "true").csv(path), version


dp.create_streaming_table("current")
dp.create_auto_cdc_from_snapshot_flow(
    target="current", source=next_snapshot_and_version, keys=["key"], stored_as_scd_type=1
)

dp.create_streaming_table("history")
dp.create_auto_cdc_from_snapshot_flow(
    target="history",
    source=lambda latest_version: next_snapshot_and_version(latest_version),
    keys=["key"],
    stored_as_scd_type=2,
    track_history_column_list=["tracked"],
)
