"""What Databricks runs: pipeline definitions, job tasks and what they share."""
