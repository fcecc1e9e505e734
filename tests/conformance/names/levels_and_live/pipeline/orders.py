import dlt


@dlt.table(name="ONE")
def first():
    return spark.read.table("main.default.orders")


@dlt.table(name="silver.two")
def second():
    return spark.read.table("LIVE.one")


@dlt.table(name="main.gold.three")
def third():
    return dlt.read("silver.Two")


@dlt.table
def all_ways():
    one = spark.read.table("`main`.`default`.`one`")
    return (
        one.union(spark.read.table("main.silver.two"))
        .union(spark.table("gold.three"))
        .groupBy()
        .count()
    )
