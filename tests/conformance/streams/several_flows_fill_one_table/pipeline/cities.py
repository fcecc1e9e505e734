import dlt

dlt.create_streaming_table("cities", expect_all_or_drop={"has_id": "id IS NOT NULL"})


@dlt.append_flow(target="cities")
def north_cities():
    return spark.readStream.table("north")
