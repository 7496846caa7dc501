#!/bin/bash
# Databases and their owners, made once, when the server of docker-compose.yml starts on an empty volume.
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    -v dagster="$DAGSTER_DB_PASSWORD" -v serving="$SERVING_DB_PASSWORD" -v mlflow="$MLFLOW_DB_PASSWORD" <<'SQL'
CREATE ROLE dagster LOGIN PASSWORD :'dagster';
CREATE DATABASE dagster OWNER dagster;
CREATE ROLE smartmaint LOGIN CREATEROLE PASSWORD :'serving'; -- makes the roles that read
CREATE DATABASE smartmaint OWNER smartmaint;
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE DATABASE mlflow OWNER mlflow;
SQL
