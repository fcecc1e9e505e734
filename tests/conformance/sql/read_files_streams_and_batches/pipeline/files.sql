CREATE OR REFRESH STREAMING TABLE streamed AS
SELECT id, city, _metadata.file_name AS file
FROM STREAM read_files('${landing}/in', format => 'csv', header => true);

CREATE OR REFRESH MATERIALIZED VIEW stored AS
SELECT * EXCEPT (_rescued_data) FROM read_files('${landing}/in/*.csv', header => true);

CREATE OR REFRESH STREAMING LIVE TABLE strings AS
SELECT * EXCEPT (_rescued_data) FROM cloud_files('${landing}/in', 'csv', map('header', 'true'));
