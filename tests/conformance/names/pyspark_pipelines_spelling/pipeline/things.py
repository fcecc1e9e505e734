from pyspark import pipelines as dp
from pyspark.sql.functions import col


@dp.table
@dp.expect_or_drop("known", "id IS NOT NULL")
@dp.expect("low", "seq < 100")
def named():
    return spark.readStream.table("changes")


@dp.temporary_view
def source():
    return spark.readStream.table("named")


dp.create_streaming_table("current")
dp.create_auto_cdc_flow(
    target="current", source="source", keys=["id"], sequence_by=col("seq"), stored_as_scd_type=1
)

dp.create_streaming_table("history")
dp.create_auto_cdc_flow(
    target="history", source="source", keys=["id"], sequence_by="seq", stored_as_scd_type="2"
)


@dp.materialized_view
def how_many():
    return spark.read.table("current").groupBy().count()


dp.create_streaming_table(name="filled")


@dp.append_flow(target="filled", name="fill")
def ids():
    return spark.readStream.table("named").select("id")
