import dlt
from pyspark.sql.functions import lit


@dlt.table
def streamed():
    return spark.readStream.table("orders").withColumn("nothing", lit(None))
