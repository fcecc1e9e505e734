from pyspark import pipelines as dp
from pyspark.sql.functions import col, count


def rules_tagged(tag):
    found = spark.read.table("rules").filter(col("tag") == tag).collect()
    return {row["name"]: row["constraint"] for row in found}


@dp.table
@dp.expect_all_or_drop(rules_tagged("validity"))
def markets():
    return spark.readStream.table("raw_markets")


@dp.table
@dp.expect_all(rules_tagged("maintained"))
def maintained_markets():
    return spark.readStream.table("markets")


@dp.materialized_view
@dp.expect("no_rows_dropped", "raw_count = market_count")
def count_verification():
    raw = spark.read.table("raw_markets").agg(count("*").alias("raw_count"))
    return raw.crossJoin(spark.read.table("markets").agg(count("*").alias("market_count")))


@dp.materialized_view
@dp.expect_or_fail("no_missing_records", "market_id IS NOT NULL")
def missing_records():
    wanted = spark.read.table("required_markets").withColumnRenamed("id", "required_id")
    found = spark.read.table("markets").withColumnRenamed("id", "market_id")
    return wanted.join(found, wanted.required_id == found.market_id, "left_outer")


@dp.materialized_view
@dp.expect_or_fail("unique_pk", "num_entries = 1")
def key_test():
    return spark.read.table("markets").groupBy("id").agg(count("*").alias("num_entries"))
