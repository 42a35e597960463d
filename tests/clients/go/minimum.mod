module midcall/tests/clients

go 1.19

require github.com/twilio/twilio-go v1.1.1

require (
	github.com/golang-jwt/jwt v3.2.2+incompatible // indirect
	github.com/golang/mock v1.6.0 // indirect
	github.com/pkg/errors v0.9.1 // indirect
)
