CREATE OR REFRESH STREAMING TABLE users_current;

CREATE FLOW users_flow AS AUTO CDC INTO users_current
FROM stream(cdc_users)
KEYS (userId)
APPLY AS DELETE WHEN operation = "DELETE"
SEQUENCE BY sequenceNum
COLUMNS * EXCEPT (operation, sequenceNum)
STORED AS SCD TYPE 1;

CREATE OR REFRESH STREAMING TABLE users_history;

APPLY CHANGES INTO LIVE.users_history
FROM STREAM(cdc_users)
KEYS (userId)
APPLY AS DELETE WHEN operation = "DELETE"
SEQUENCE BY sequenceNum
COLUMNS * EXCEPT (operation, sequenceNum)
STORED AS SCD TYPE 2;

CREATE OR REFRESH STREAMING TABLE users_history_but_city
FLOW AUTO CDC
FROM STREAM cdc_users
KEYS (userId)
APPLY AS DELETE WHEN operation = "DELETE"
SEQUENCE BY sequenceNum
COLUMNS * EXCEPT (operation, sequenceNum)
STORED AS SCD TYPE 2
TRACK HISTORY ON * EXCEPT (city);
