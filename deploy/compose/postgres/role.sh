#!/bin/sh
# Run by the image of PostgreSQL when its volume is new: a role for Angarium that owns its database, and nothing more. A superuser passes
# by the policies that keep the rows of workspaces apart (docs/howto/run-on-postgresql.md).
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set password="$POSTGRES_PASSWORD" <<'END'
CREATE ROLE angarium LOGIN PASSWORD :'password';
CREATE DATABASE angarium OWNER angarium ENCODING 'UTF8' TEMPLATE template0;
END
