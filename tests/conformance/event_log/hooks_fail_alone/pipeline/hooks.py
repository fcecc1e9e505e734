from pyspark import pipelines as dp


@dp.materialized_view
def numbers():
    return spark.range(2)


@dp.on_event_hook(max_allowable_consecutive_failures=2)
def unreliable(event):
    raise ValueError("no network")


@dp.on_event_hook
def reliable(event):
    assert event["details"][event["event_type"]] is not None
