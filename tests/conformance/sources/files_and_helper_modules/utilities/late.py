from pyspark.sql.functions import udf
from utilities.marks import marked

mark_udf = udf(marked, "string")
