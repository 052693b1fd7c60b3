package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/sasl"
)

// DescribeUserScramCredentials (key 50): which users there are, and by which
// mechanisms they authenticate (KIP-554). No key is shown to anybody.
func init() {
	register(spec{
		key:     50,
		levels:  []levelRange{{level: 1, min: 0, max: 0}},
		changes: []change{{0, "mechanisms and iterations of some users or all; flexible"}},
	}, describeUserScramCredentials)
}

func describeUserScramCredentials(_ context.Context, c *call, req *kmsg.DescribeUserSCRAMCredentialsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DescribeUserSCRAMCredentialsResponse)
	resp.Results = []kmsg.DescribeUserSCRAMCredentialsResponseResult{}
	if !c.allowed(acl.Describe, acl.Cluster, acl.ClusterName) {
		resp.ErrorCode, resp.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, new("no right to DESCRIBE the cluster")
		return resp, nil
	}
	im := c.image()
	if len(req.Users) == 0 {
		resp.Results = allUsers(im)
		return resp, nil
	}
	times := map[string]int{}
	for _, u := range req.Users {
		times[u.Name]++
	}
	for _, u := range req.Users {
		if n := times[u.Name]; n > 0 {
			times[u.Name] = 0
			resp.Results = append(resp.Results, describeUser(im, u.Name, n))
		}
	}
	return resp, nil
}

// describeUser answers for a user that was named so many times.
func describeUser(im *meta.Image, user string, named int) kmsg.DescribeUserSCRAMCredentialsResponseResult {
	r := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
	r.User, r.CredentialInfos = user, []kmsg.DescribeUserSCRAMCredentialsResponseResultCredentialInfo{}
	switch {
	case named > 1:
		r.ErrorCode, r.ErrorMessage = kerr.DuplicateResource.Code, new("the user is asked for twice")
	case !im.HasUser(user):
		r.ErrorCode, r.ErrorMessage = kerr.ResourceNotFound.Code, new("there is no such user")
	default:
		for _, m := range []sasl.Mechanism{sasl.ScramSHA256, sasl.ScramSHA512} {
			if credential := im.ScramCredential(user, m); credential != nil {
				r.CredentialInfos = append(r.CredentialInfos, credentialInfo(credential))
			}
		}
	}
	return r
}

func allUsers(im *meta.Image) []kmsg.DescribeUserSCRAMCredentialsResponseResult {
	users := []kmsg.DescribeUserSCRAMCredentialsResponseResult{}
	for credential := range im.ScramCredentials() {
		if n := len(users); n == 0 || users[n-1].User != credential.User {
			r := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
			r.User = credential.User
			users = append(users, r)
		}
		u := &users[len(users)-1]
		u.CredentialInfos = append(u.CredentialInfos, credentialInfo(credential))
	}
	return users
}

func credentialInfo(r *meta.ScramCredential) kmsg.DescribeUserSCRAMCredentialsResponseResultCredentialInfo {
	info := kmsg.NewDescribeUserSCRAMCredentialsResponseResultCredentialInfo()
	info.Mechanism, info.Iterations = int8(r.Mechanism), int32(r.Iterations)
	return info
}
