// What the feature's documentation shows for Go: one message to a call, then a subscription to its messages.
// Usage: sample CALL_SID CALLBACK_URL
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/twilio/twilio-go"
	api "github.com/twilio/twilio-go/rest/api/v2010"
)

func main() {
	callSid, callback := os.Args[1], os.Args[2]
	client := twilio.NewRestClient() // reads TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN

	content, err := json.Marshal(map[string]any{"from": "a Go server"})
	if err != nil {
		log.Fatal(err)
	}
	message := &api.CreateUserDefinedMessageParams{}
	message.SetContent(string(content))
	sent, err := client.Api.CreateUserDefinedMessage(callSid, message)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*sent.AccountSid)

	subscription := &api.CreateUserDefinedMessageSubscriptionParams{}
	subscription.SetCallback(callback)
	subscription.SetMethod("POST")
	subscribed, err := client.Api.CreateUserDefinedMessageSubscription(callSid, subscription)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*subscribed.AccountSid)
}
