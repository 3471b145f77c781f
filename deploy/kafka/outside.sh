#!/bin/sh
# Make the user of publishers outside, with the one right they need: to write bodies (acls.md, "publisher").
# compose.yaml runs this in Kafka's own image. The password goes by a file: arguments can be read by others.
set -eu
bin=/opt/kafka/bin
topics="--topic lead.raw.web --topic lead.raw.ads --topic lead.raw.crm"
umask 077
file=$(mktemp)
printf 'SCRAM-SHA-512=iterations=8192,password=%s\n' "$(cat /run/secrets/kafka_publisher_password)" >"$file"
$bin/kafka-configs.sh --bootstrap-server "$BOOTSTRAP" --alter --entity-type users --entity-name publisher --add-config-file "$file"
rm "$file"
# shellcheck disable=SC2086 - a list of options
$bin/kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --add --allow-principal User:publisher --operation Write --operation Describe $topics
