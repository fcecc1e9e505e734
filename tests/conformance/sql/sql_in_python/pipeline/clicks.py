import dlt


@dlt.table
def bronze():
    return spark.sql("SELECT * FROM STREAM(clicks)")


@dlt.table
def pages():
    dlt.read("silver").createOrReplaceTempView("found")
    return spark.sql(
        "SELECT page, count(*) AS n FROM found GROUP BY page HAVING count(*) > :n", {"n": 0}
    )
