import dlt
from pyspark import pipelines as dp


@dp.materialized_view(private=True)
def hidden():
    return spark.range(2)


@dlt.table(temporary=True)
def hidden_too():
    return spark.read.table("hidden")


@dp.materialized_view
def seen():
    return dp.read("hidden_too").groupBy().count()


@dp.materialized_view(spark_conf={"spark.sql.session.timeZone": "Asia/Tokyo"})
def tokyo():
    return spark.sql("SELECT date_format(timestamp_seconds(0), 'HH') AS hour")


@dp.materialized_view(cluster_by_auto=True, refresh_policy="full")
def utc():
    return spark.sql("SELECT date_format(timestamp_seconds(0), 'HH') AS hour")
