#!/bin/sh
# Prepares a deployment, as often as you like: topics, schema, the demo model, an account with
# tokens, the producer's key and the cameras. What is there already is left as it is.
set -eu

ACCOUNT="${ACCOUNT:-park}"
WEIGHTS="${WEIGHTS:-/models/park-n/park-n.xml}"
KEY_FILE=/run/secrets/framemeter_key

framemeter topics create
framemeter models add park-n "$WEIGHTS" --size-class n --confidence 0.3
framemeter accounts create "$ACCOUNT"
framemeter accounts top-up "$ACCOUNT" 100000 --reference setup
if [ ! -s "$KEY_FILE" ]; then
    (umask 077 && framemeter accounts key --operator --scope sessions > "$KEY_FILE.new")
    mv "$KEY_FILE.new" "$KEY_FILE"
fi
framemeter streams apply /etc/framemeter/streams.toml --account "$ACCOUNT"
