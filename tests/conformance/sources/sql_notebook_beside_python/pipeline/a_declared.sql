-- Databricks notebook source
-- MAGIC %md
-- MAGIC # Paid orders

-- COMMAND ----------

-- two statements in one cell
CREATE OR REFRESH MATERIALIZED VIEW paid_orders (CONSTRAINT has_id EXPECT (id IS NOT NULL))
AS SELECT * FROM orders WHERE status = 'PAID';

CREATE OR REFRESH MATERIALIZED VIEW paid_count AS SELECT count(*) AS n FROM paid_ids;

-- COMMAND ----------

-- MAGIC %python
-- MAGIC raise ValueError("cells in other languages are ignored")
