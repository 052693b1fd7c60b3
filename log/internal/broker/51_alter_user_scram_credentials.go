package broker

import (
	"bytes"
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/sasl"
)

// AlterUserScramCredentials (key 51): users come, go and change their passwords
// (KIP-554). The password does not come along: the client salts and hashes it.
func init() {
	register(spec{
		key:     51,
		levels:  []levelRange{{level: 1, min: 0, max: 0}},
		changes: []change{{0, "deletions and upsertions; flexible"}},
		deviations: []string{
			"Connections of a user whose last credential was deleted are closed at their next request; " +
				"Kafka leaves them open until they authenticate again.",
			"One request may change the credentials of several mechanisms of a user, each once; Kafka refuses the user with DUPLICATE_RESOURCE.",
		},
	}, alterUserScramCredentials)
}

func alterUserScramCredentials(ctx context.Context, c *call, req *kmsg.AlterUserSCRAMCredentialsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.AlterUserSCRAMCredentialsResponse)
	resp.Results = []kmsg.AlterUserSCRAMCredentialsResponseResult{}
	change := scramChange(req)
	results, err := []meta.UserResult(nil), error(nil)
	if c.allowed(acl.Alter, acl.Cluster, acl.ClusterName) {
		results, err = c.opts.Meta.AlterUserScramCredentials(ctx, change)
	} else {
		err = refused(kerr.ClusterAuthorizationFailed, "no right to ALTER the cluster")
	}
	if err != nil {
		results = everyUser(change, err)
	}
	for _, u := range results {
		r := kmsg.NewAlterUserSCRAMCredentialsResponseResult()
		r.User = u.User
		r.ErrorCode, r.ErrorMessage = refusal(u.Err)
		resp.Results = append(resp.Results, r)
	}
	return resp, nil
}

func scramChange(req *kmsg.AlterUserSCRAMCredentialsRequest) meta.AlterUserScramCredentials {
	var change meta.AlterUserScramCredentials
	for _, d := range req.Deletions {
		change.Deletions = append(change.Deletions, meta.ScramDeletion{User: d.Name, Mechanism: sasl.Mechanism(d.Mechanism)})
	}
	for _, u := range req.Upsertions { // the request's bytes are gone when its caller is
		change.Upsertions = append(change.Upsertions, meta.ScramUpsertion{
			User: u.Name, Mechanism: sasl.Mechanism(u.Mechanism), Iterations: int(u.Iterations),
			Salt: bytes.Clone(u.Salt), SaltedPassword: bytes.Clone(u.SaltedPassword),
		})
	}
	return change
}

// everyUser is the same result for all users of a request.
func everyUser(change meta.AlterUserScramCredentials, err error) []meta.UserResult {
	var results []meta.UserResult
	seen := map[string]bool{}
	add := func(user string) {
		if !seen[user] {
			seen[user] = true
			results = append(results, meta.UserResult{User: user, Err: err})
		}
	}
	for _, d := range change.Deletions {
		add(d.User)
	}
	for _, u := range change.Upsertions {
		add(u.User)
	}
	return results
}
