#!/bin/sh
# Made by acls.py: do not edit. Gives each role of leadstream the rights that
# it needs, and no more.
#   BOOTSTRAP=broker:9093 COMMAND_CONFIG=client.properties sh acls.sh
# PARTITIONS and GENERATION are LEADSTREAM_PARTITIONS and LEADSTREAM_GENERATION: groups
# and changelogs are named by them, so run this again with GENERATION=2 before a
# generation 2 is adopted.
# The users are named PREFIX + role; make each with kafka-configs.sh, or use the names in
# your certificates.
set -eu
BOOTSTRAP=${BOOTSTRAP:?the address of a broker}
PARTITIONS=${PARTITIONS:-4} GENERATION=${GENERATION:-1} PREFIX=${PREFIX:-leadstream-}

allow() { # role, then options of kafka-acls.sh
  user="User:$PREFIX$1"
  shift
  "${KAFKA_ACLS:-kafka-acls.sh}" --bootstrap-server "$BOOTSTRAP" \
    ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} \
    --add --allow-principal "$user" "$@"
}

# gateway: takes bodies over HTTP
allow gateway --operation Write --operation Describe --topic "lead.raw.web" --topic "lead.raw.ads" --topic "lead.raw.crm"

# retriever: asks vendors for what notifications name
allow retriever --operation Read --operation Describe --topic "lead.raw.ads" --topic "lead.raw.crm"
allow retriever --operation Write --operation Describe --topic "lead.raw.ads" --topic "lead.raw.crm" --topic "lead.deadletters"
allow retriever --operation Read --operation Describe --group "leadstream-retriever-hubspot-$PARTITIONS" --group "leadstream-retriever-linkedin-$PARTITIONS" --group "leadstream-retriever-meta-$PARTITIONS" --group "leadstream-retriever-salesforce-$PARTITIONS"

# ticker: sends the time
allow ticker --operation Write --operation Describe --topic "lead.raw.web" --topic "lead.raw.ads" --topic "lead.raw.crm"

# normalise: reads vendors' bodies
allow normalise --operation Read --operation Describe --topic "lead.raw.web" --topic "lead.raw.ads" --topic "lead.raw.crm" --topic "lead.sources"
allow normalise --operation Write --operation Describe --topic "lead.events" --topic "lead.spend" --topic "lead.deadletters" --topic "lead.parked" --topic "lead.sources"
allow normalise --operation Read --operation Describe --group "leadstream-normalise-$PARTITIONS"

# normalise-import: reads imported files
allow normalise-import --operation Read --operation Describe --topic "lead.raw.import" --topic "lead.facts" --topic "lead.sources"
allow normalise-import --operation Write --operation Describe --topic "lead.events" --topic "lead.deadletters" --topic "lead.parked" --topic "lead.sources"
allow normalise-import --operation Read --operation Describe --group "leadstream-normalise-import-$PARTITIONS"

# resolve: works out whose event it is
allow resolve --operation Read --operation Describe --topic "lead.events"
allow resolve --operation Write --operation Describe --topic "lead.events" --topic "lead.touches" --topic "lead.facts" --topic "lead.deadletters"
allow resolve --operation Create --operation Read --operation Write --operation Describe --topic "leadstream-resolve-$PARTITIONS-resolve-changelog"
allow resolve --operation Read --operation Describe --group "leadstream-resolve-$PARTITIONS"

# advance: folds a lead's history (one user for all generations)
allow advance --operation Read --operation Describe --topic "lead.touches"
allow advance --operation Write --operation Describe --topic "lead.touches" --topic "lead.facts" --topic "lead.state" --topic "lead.alerts" --topic "lead.deadletters"
allow advance --operation Create --operation Read --operation Write --operation Describe --topic "leadstream-advance-$GENERATION-$PARTITIONS-advance-changelog"
allow advance --operation Read --operation Describe --group "leadstream-advance-$GENERATION-$PARTITIONS"

# deliver: writes to ClickHouse
allow deliver --operation Read --operation Describe --topic "lead.touches" --topic "lead.facts" --topic "lead.spend" --topic "lead.targets" --topic "lead.rates" --topic "lead.surveys" --topic "lead.deadletters"
allow deliver --operation Write --operation Describe --topic "lead.deadletters"
allow deliver --operation Read --operation Describe --group "leadstream-deliver-$PARTITIONS"

# notifier: notifies people of stalled leads
allow notifier --operation Read --operation Describe --topic "lead.alerts" --topic "lead.notices" --topic "lead.sources"
allow notifier --operation Write --operation Describe --topic "lead.notices"

# publisher: a program outside that publishes events
allow publisher --operation Write --operation Describe --topic "lead.raw.web" --topic "lead.raw.ads" --topic "lead.raw.crm"

# reader: a program outside that follows lead.state and lead.alerts
allow reader --operation Read --operation Describe --topic "lead.state" --topic "lead.alerts"
allow reader --operation Read --operation Describe --group "leadstream-reader-" --resource-pattern-type prefixed

# importer: whoever runs `leadstream import`
allow importer --operation Write --operation Describe --topic "lead.raw.import" --topic "lead.spend" --topic "lead.targets"
allow importer --operation Describe --group "leadstream-normalise-import-$PARTITIONS" --group "leadstream-deliver-$PARTITIONS"

# operator: whoever runs the other commands of `leadstream`, and `topics apply`
allow operator --operation Create --operation Read --operation Write --operation Describe --operation DescribeConfigs --operation AlterConfigs --topic "lead." --resource-pattern-type prefixed
allow operator --operation Read --operation Write --operation Delete --operation Describe --topic "leadstream-" --resource-pattern-type prefixed
allow operator --operation Read --operation Delete --operation Describe --group "leadstream-" --resource-pattern-type prefixed
