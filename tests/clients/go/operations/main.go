// The official Go library in the hands of the tests: a job a line on stdin, its result a line on stdout.
// What the jobs are, says tests/clients/operations.py.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twilio/twilio-go"
	"github.com/twilio/twilio-go/client"
	"github.com/twilio/twilio-go/client/jwt"
	api "github.com/twilio/twilio-go/rest/api/v2010"
)

// Job names an operation; which fields its arguments have depends on it.
type Job struct {
	Operation string
	Arguments struct {
		CallSid        string `json:"call_sid"`
		Sid            string
		Content        string
		Callback       string
		To             string
		From           string `json:"from_"`
		Twiml          string
		PageSize       int    `json:"page_size"`
		FriendlyName   string `json:"friendly_name"`
		VoiceUrl       string `json:"voice_url"`
		Url            string
		Parameters     map[string]string
		Signature      string
		Identity       string
		ApplicationSid string `json:"application_sid"`
	}
}

// Answer is what an operation returned, for json.
type Answer map[string]any

var (
	rest       = twilio.NewRestClient()
	operations = map[string]func(Job) (Answer, error){
		"version":             version,
		"create_message":      createMessage,
		"create_subscription": createSubscription,
		"delete_subscription": deleteSubscription,
		"create_call":         createCall,
		"fetch_call":          fetchCall,
		"list_calls":          listCalls,
		"redirect_call":       redirectCall,
		"end_call":            endCall,
		"create_application":  createApplication,
		"create_key":          createKey,
		"read_error":          readError,
		"validate":            validate,
		"mint_token":          mintToken,
	}
)

func version(Job) (Answer, error) {
	return Answer{"version": client.LibraryVersion}, nil
}

func createMessage(job Job) (Answer, error) {
	params := &api.CreateUserDefinedMessageParams{}
	params.SetContent(job.Arguments.Content)
	made, err := rest.Api.CreateUserDefinedMessage(job.Arguments.CallSid, params)
	if err != nil {
		return nil, err
	}
	return event(made.Sid, made.CallSid, made.DateCreated)
}

func createSubscription(job Job) (Answer, error) {
	params := &api.CreateUserDefinedMessageSubscriptionParams{}
	params.SetCallback(job.Arguments.Callback)
	params.SetMethod("POST")
	made, err := rest.Api.CreateUserDefinedMessageSubscription(job.Arguments.CallSid, params)
	if err != nil {
		return nil, err
	}
	return event(made.Sid, made.CallSid, made.DateCreated)
}

func event(sid, callSid, created *string) (Answer, error) {
	at, err := time.Parse(time.RFC1123Z, *created)
	return Answer{"sid": sid, "call_sid": callSid, "created": at.Unix()}, err
}

func deleteSubscription(job Job) (Answer, error) {
	params := &api.DeleteUserDefinedMessageSubscriptionParams{}
	err := rest.Api.DeleteUserDefinedMessageSubscription(job.Arguments.CallSid, job.Arguments.Sid, params)
	return Answer{"gone": err == nil}, err
}

func createCall(job Job) (Answer, error) {
	params := &api.CreateCallParams{}
	params.SetTo(job.Arguments.To)
	params.SetFrom(job.Arguments.From)
	params.SetTwiml(job.Arguments.Twiml)
	return call(rest.Api.CreateCall(params))
}

func fetchCall(job Job) (Answer, error) {
	return call(rest.Api.FetchCall(job.Arguments.Sid, &api.FetchCallParams{}))
}

func listCalls(job Job) (Answer, error) {
	params := &api.ListCallParams{}
	params.SetTo(job.Arguments.To)
	params.SetPageSize(job.Arguments.PageSize)
	rows, err := rest.Api.ListCall(params)
	sids := []*string{}
	for _, row := range rows {
		sids = append(sids, row.Sid)
	}
	return Answer{"sids": sids}, err
}

func redirectCall(job Job) (Answer, error) {
	params := &api.UpdateCallParams{}
	params.SetTwiml(job.Arguments.Twiml)
	return call(rest.Api.UpdateCall(job.Arguments.Sid, params))
}

func endCall(job Job) (Answer, error) {
	params := &api.UpdateCallParams{}
	params.SetStatus("completed")
	return call(rest.Api.UpdateCall(job.Arguments.Sid, params))
}

func call(made *api.ApiV2010Call, err error) (Answer, error) {
	if err != nil {
		return nil, err
	}
	return Answer{"sid": made.Sid, "status": made.Status, "to": made.To, "direction": made.Direction}, nil
}

func createApplication(job Job) (Answer, error) {
	params := &api.CreateApplicationParams{}
	params.SetFriendlyName(job.Arguments.FriendlyName)
	params.SetVoiceUrl(job.Arguments.VoiceUrl)
	made, err := rest.Api.CreateApplication(params)
	if err != nil {
		return nil, err
	}
	return Answer{"sid": made.Sid, "friendly_name": made.FriendlyName, "voice_url": made.VoiceUrl}, nil
}

func createKey(job Job) (Answer, error) {
	params := &api.CreateNewKeyParams{}
	params.SetFriendlyName(job.Arguments.FriendlyName)
	made, err := rest.Api.CreateNewKey(params)
	if err != nil {
		return nil, err
	}
	return Answer{"sid": made.Sid, "secret": made.Secret}, nil
}

func readError(job Job) (Answer, error) {
	_, err := rest.Api.FetchCall(job.Arguments.Sid, &api.FetchCallParams{})
	var refused *client.TwilioRestError
	if !errors.As(err, &refused) {
		return nil, fmt.Errorf("not an error of the library: %v", err)
	}
	return Answer{"status": refused.Status, "code": refused.Code, "message": refused.Message}, nil
}

func validate(job Job) (Answer, error) {
	validator := client.NewRequestValidator(os.Getenv("TWILIO_AUTH_TOKEN"))
	asked := job.Arguments
	return Answer{"valid": validator.Validate(asked.Url, asked.Parameters, asked.Signature)}, nil
}

func mintToken(job Job) (Answer, error) {
	token := jwt.CreateAccessToken(jwt.AccessTokenParams{
		AccountSid:    os.Getenv("TWILIO_ACCOUNT_SID"),
		SigningKeySid: os.Getenv("TWILIO_API_KEY"),
		Secret:        os.Getenv("TWILIO_API_SECRET"),
		Identity:      job.Arguments.Identity,
	})
	token.AddGrant(&jwt.VoiceGrant{
		Incoming: jwt.Incoming{Allow: true},
		Outgoing: jwt.Outgoing{ApplicationSid: job.Arguments.ApplicationSid},
	})
	text, err := token.ToJwt()
	return Answer{"token": text}, err
}

func perform(line []byte) Answer {
	var job Job
	if err := json.Unmarshal(line, &job); err != nil {
		return Answer{"failure": err.Error()}
	}
	answer, err := operations[job.Operation](job)
	if err != nil {
		return Answer{"failure": err.Error()}
	}
	return Answer{"answer": answer}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	results := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := results.Encode(perform(lines.Bytes())); err != nil {
			panic(err)
		}
	}
}
