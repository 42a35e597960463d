"""What the feature's documentation shows for Python: one message to a call, then a subscription to its messages.

Usage: sample.py CALL_SID CALLBACK_URL
"""

import json
import os
import sys

from twilio.rest import Client

call_sid, callback = sys.argv[1:]
client = Client(os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_AUTH_TOKEN"])

message = client.calls(call_sid).user_defined_messages.create(content=json.dumps({"from": "a Python server"}))
print(message.account_sid)

subscription = client.calls(call_sid).user_defined_message_subscriptions.create(callback=callback, method="POST")
print(subscription.account_sid)
