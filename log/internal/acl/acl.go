// Package acl decides who may do what, with the semantics of Kafka's
// StandardAuthorizer: entries that allow and deny, by principal, host, operation and
// resource.
//
// The package is pure: it keeps no state but what it is given and knows neither the
// wire nor where entries are stored.
package acl
