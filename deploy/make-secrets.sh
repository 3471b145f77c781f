#!/bin/sh
# Make the files that compose.yaml mounts as secrets: deploy/make-secrets.sh [FOLDER]
# A secret that is there is never changed: the identity key must stay for as long as the data does.
# The folder is closed (0700) and its files are readable, because Docker mounts each file as it is and
# the containers' users differ from yours.
set -eu
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder/notify" # the notifier's book goes there (docs/notifications.md)
chmod 0700 "$folder"
chmod 0755 "$folder/notify"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

make() { # name, contents, mode
  if [ ! -e "$folder/$1" ]; then
    printf '%s' "$2" >"$folder/$1.new"
    chmod "$3" "$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
    echo "made $folder/$1"
  fi
}

for name in identity_key ingest_token live_token meta_verify_token notify_secret \
  clickhouse_admin_password clickhouse_writer_password clickhouse_viewer_password \
  clickhouse_grafana_password grafana_admin_password kafka_publisher_password; do
  make "$name" "$(random)" 0444
done
# These come from the vendor. While one is empty, the gateway refuses all that comes in its name.
# `ingest_tokens` is yours to fill: name=token with commas between, a token for each program that posts.
# The tokens are the retriever's: it serves the vendors whose token is not empty.
for name in ingest_tokens segment_secret meta_app_secret google_key hubspot_secret \
  linkedin_client_secret ga4_api_secret pipedrive_login dynamics_key calendly_signing_key \
  meta_token hubspot_token linkedin_token salesforce_token; do
  make "$name" "" 0644
done
