SET opened='2020-01-01';

CREATE OR REFRESH STREAMING TABLE orders (
  id INT COMMENT 'the key',
  amount INT,
  customer STRING,
  CONSTRAINT has_id EXPECT (id IS NOT NULL) ON VIOLATION DROP ROW,
  CONSTRAINT has_customer EXPECT (customer IS NOT NULL)
)
COMMENT 'Orders that count'
TBLPROPERTIES ('quality' = 'silver')
AS SELECT * FROM STREAM(raw_orders) WHERE amount >= ${least_amount};

-- what several tables read
CREATE TEMPORARY VIEW large AS SELECT id, amount FROM LIVE.orders WHERE orders.amount > 9;

CREATE OR REFRESH MATERIALIZED VIEW big AS SELECT large.* FROM large;

/* one row */
CREATE OR REFRESH MATERIALIZED VIEW totals
AS SELECT count(*) AS orders, sum(o.amount) AS amount, ${opened} AS opened FROM orders AS o;
