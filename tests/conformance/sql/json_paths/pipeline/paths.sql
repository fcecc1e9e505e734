CREATE OR REFRESH MATERIALIZED VIEW extracted AS
SELECT raw:owner, RAW:OWNER AS upper, raw:['owner'] AS bracketed, raw:['OWNER'] AS other_case FROM store_data;

CREATE OR REFRESH MATERIALIZED VIEW nested AS
SELECT raw:store.bicycle, raw:store.bicycle.price::double, raw:store.fruit[1].type, raw:store.fruit[*],
  raw:`Zip Code` AS zip, raw:['fb:testid'] AS test, raw:nothing
FROM store_data WHERE raw:owner = 'amy';
