"""A small bundle whose pipeline ``shop`` stops in mid-update, as long as a gate is shut.

``numbers`` is committed then, and a sink's handler waits: the update is RUNNING for as long as it
is looked at, without a sleep.
"""

import os
from pathlib import Path

AT_THE_GATE = "at the gate"
BUNDLE = """
bundle:
  name: gated
targets:
  dev:
    mode: production
    default: true
    workspace:
      root_path: /Workspace/Shared/gated
    run_as:
      user_name: someone@example.com
resources:
  volumes:
    landing: {catalog_name: main, schema_name: shop, name: landing}
  pipelines:
    shop: &pipeline
      name: shop
      catalog: main
      schema: shop
      serverless: true
      libraries: [{glob: {include: shop/**}}]
      configuration:
        shop.gate: GATE
        shop.landing: /Volumes/main/shop/landing
    letters:
      <<: *pipeline
      name: letters
      libraries: [{glob: {include: letters/**}}]
    thief:
      <<: *pipeline
      name: thief
      libraries: [{glob: {include: thief/**}}]
  jobs:
    nightly: &job
      name: nightly
      queue: {enabled: false}
      tasks:
        - task_key: refresh
          pipeline_task:
            pipeline_id: ${resources.pipelines.shop.id}
    by_hand:
      <<: *job
      name: by_hand
"""
SHOP = f"""
import os
import dlt

GATE = spark.conf.get("shop.gate")

@dlt.table
def numbers():
    return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
        .option("cloudFiles.schemaHints", "n INT").load(spark.conf.get("shop.landing")))

@dlt.foreach_batch_sink(name="gate")
def gate(df, batch_id):
    if os.path.exists(GATE):
        print("{AT_THE_GATE}", flush=True)
        with open(GATE) as opened:
            opened.read()

@dlt.append_flow(target="gate")
def through():
    return dlt.read_stream("numbers")
"""
SIMPLE = """
import dlt

@dlt.table
def NAME():
    return spark.range(2)
"""


def write_bundle(root: Path) -> Path:
    """Write the bundle into ``root`` and return its gate, which is shut."""
    gate = root / "the gate"
    os.mkfifo(gate)
    sources = {
        "shop": SHOP,
        "letters": SIMPLE.replace("NAME", "letters"),
        "thief": SIMPLE.replace("NAME", "numbers"),
    }
    for name, source in sources.items():
        (root / name).mkdir()
        (root / name / "main.py").write_text(source, encoding="utf-8")
    (root / "databricks.yml").write_text(BUNDLE.replace("GATE", str(gate)), encoding="utf-8")
    return gate
