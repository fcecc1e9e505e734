import os

import dlt

landing = spark.conf.get("landing")


@dlt.table
def orders():
    return spark.readStream.table("given_orders")


@dlt.on_event_hook
def keep(event):
    os.makedirs(f"{landing}/{event['event_type']}", exist_ok=True)
    with open(f"{landing}/{event['event_type']}/{event['id']}", "w") as file:
        file.write(event["message"])


@dlt.on_event_hook(max_allowable_consecutive_failures=1)
def fails(event):
    raise ValueError("nobody listens")
