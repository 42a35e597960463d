#!/bin/sh
# What the feature's documentation shows for curl: one message to a call, then a subscription to its messages.
# Usage: sample.sh CALL_SID CALLBACK_URL
set -eu
call="https://api.twilio.com/2010-04-01/Accounts/$TWILIO_ACCOUNT_SID/Calls/$1"

curl --silent --show-error --fail-with-body -X POST "$call/UserDefinedMessages.json" \
    --data-urlencode 'Content={"from":"a shell"}' -u "$TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN"
echo
curl --silent --show-error --fail-with-body -X POST "$call/UserDefinedMessageSubscriptions.json" \
    --data-urlencode "Callback=$2" --data-urlencode "Method=POST" -u "$TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN"
echo
