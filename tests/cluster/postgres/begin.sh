#!/bin/sh
# Makes the server's directory if there is none, then becomes the server.
set -eu
export LC_ALL=C
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  /opt/postgres/native/bin/initdb --username postgres --auth scram-sha-256 --pwfile "$POSTGRES_PASSWORD_FILE" \
    --encoding UTF8 --no-locale --pgdata "$PGDATA"
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
fi
exec /opt/postgres/native/bin/postgres -D "$PGDATA" -c "listen_addresses=*" -k /var/run/postgresql
