# Databricks notebook source
# MAGIC %md
# MAGIC # Orders that are paid

# COMMAND ----------

# MAGIC %pip install simplejson

# COMMAND ----------

# DBTITLE 1,Names that the cells below share
import dlt
from pyspark.sql import functions as F

WANTED = "PAID"

# COMMAND ----------

# MAGIC %sql
# MAGIC CREATE OR REFRESH MATERIALIZED VIEW made_by_sql AS SELECT 1 AS a

# COMMAND ----------

# MAGIC %run ./no_such_notebook

# COMMAND ----------


@dlt.table
def paid_orders():
    return spark.read.table("orders").where(F.col("status") == WANTED)


# COMMAND ----------

display("nothing is shown")
