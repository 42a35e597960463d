#!/bin/sh
# What the feature's documentation shows for the CLI: one message to a call, then a subscription to its messages.
# Usage: sample.sh CALL_SID CALLBACK_URL
set -eu

twilio api:core:calls:user-defined-messages:create --call-sid "$1" --content '{"from":"a CLI"}' \
    --properties accountSid
twilio api:core:calls:user-defined-message-subscriptions:create --call-sid "$1" --callback "$2" --method POST \
    --properties accountSid
