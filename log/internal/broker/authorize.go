package broker

import (
	"context"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// Authorization: what every handler asks before it does anything, also before it says
// whether something exists. docs/security.md lists what each key asks; the list is held
// by a test.
//
// Without an Authorizer everybody may do everything.

// allowed tells whether the caller may do op to the resource of that kind and name.
// The answer is audited: a denial at level info, everything else at debug.
func (c *call) allowed(op acl.Operation, kind acl.ResourceType, name string) bool {
	ok := c.sees(op, kind, name)
	if c.opts.Authorizer != nil {
		c.audit(ok, op, kind, name)
	}
	return ok
}

// allowedOnCluster is allowed for the cluster as a whole.
func (c *call) allowedOnCluster(op acl.Operation) bool {
	return c.allowed(op, acl.Cluster, acl.ClusterName)
}

// sees is allowed where a denial is no attempt at anything, and so is not audited: to
// leave something out of a list, or where another right does as well.
func (c *call) sees(op acl.Operation, kind acl.ResourceType, name string) bool {
	a := c.opts.Authorizer
	return a == nil || a.Allowed(c.image().ACLs(), c.subject(), op, kind, name)
}

// allowedOnAny tells whether the caller may do op to at least one resource of a kind
// (KIP-679).
func (c *call) allowedOnAny(op acl.Operation, kind acl.ResourceType) bool {
	a := c.opts.Authorizer
	if a == nil {
		return true
	}
	ok := a.AllowedOnAny(c.image().ACLs(), c.subject(), op, kind)
	c.audit(ok, op, kind, "any")
	return ok
}

// operations are the caller's rights as clients are shown them.
func (c *call) operations(kind acl.ResourceType, name string) int32 {
	rights := acl.Meaningful(kind)
	if a := c.opts.Authorizer; a != nil {
		rights &= a.Rights(c.image().ACLs(), c.subject(), kind, name)
	}
	return int32(rights)
}

// noOperations says that they were not asked for.
const noOperations = -1 << 31

// clusterOperations are the caller's rights on the cluster: none for whom may not
// describe it.
func (c *call) clusterOperations() int32 {
	if !c.allowedOnCluster(acl.Describe) {
		return 0
	}
	return c.operations(acl.Cluster, acl.ClusterName)
}

func (c *call) subject() acl.Subject {
	return acl.Subject{Principal: c.caller.Principal, Host: c.caller.Host}
}

// audit says who was let or not let do what. Denials are thinned out: a client that is
// denied asks again and again.
func (c *call) audit(ok bool, op acl.Operation, kind acl.ResourceType, name string) {
	level, text, suppressed := slog.LevelDebug, "access allowed", 0
	if !ok {
		level, text = slog.LevelInfo, "access denied"
	}
	if !c.opts.Logger.Enabled(context.Background(), level) {
		return
	}
	if !ok {
		var write bool
		if suppressed, write = c.denied.allow(time.Now()); !write {
			return
		}
	}
	attrs := []slog.Attr{
		slog.String("principal", c.caller.Principal), slog.String("host", c.caller.Host),
		slog.String("operation", op.String()), slog.String("resource", kind.String()), slog.String("name", short(name)),
		slog.String("request", kmsg.NameForKey(c.req.Key())), slog.String("listener", c.caller.Listener),
	}
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("suppressed", suppressed))
	}
	c.opts.Logger.LogAttrs(context.Background(), level, text, attrs...)
}

// findFor is the topic that a request names by id where its version has ids, else by
// name, if the caller may do op to it. Of a name nobody learns whether there is such a
// topic without the right; ids are no secrets, as in Kafka.
func (c *call) findFor(op acl.Operation, byID bool, id [16]byte, name string) (*meta.Topic, *kerr.Error) {
	if !byID {
		if !c.allowed(op, acl.Topic, name) {
			return nil, kerr.TopicAuthorizationFailed
		}
		return c.find(false, id, name)
	}
	t, unknown := c.find(true, id, name)
	if unknown == nil && !c.allowed(op, acl.Topic, t.Name) {
		return nil, kerr.TopicAuthorizationFailed
	}
	return t, unknown
}

// byRight divides what a request lists into what the caller may do op to and what not.
// name gives the topic's name; what has none (an unknown id) is left to the handler.
func byRight[T any](c *call, op acl.Operation, list []T, name func(T) (string, bool)) (allowed, denied []T) {
	if c.opts.Authorizer == nil {
		return list, nil
	}
	for _, t := range list {
		if n, ok := name(t); ok && !c.allowed(op, acl.Topic, n) {
			denied = append(denied, t)
		} else {
			allowed = append(allowed, t)
		}
	}
	return allowed, denied
}

// named is the name of a topic that a request names by id or by name.
func (c *call) named(byID bool, id [16]byte, name string) (string, bool) {
	if !byID {
		return name, true
	}
	if t := c.image().Topic(id); t != nil {
		return t.Name, true
	}
	return "", false
}

// configRight is nil if the caller may do op to the configs of a resource, or if there
// is no such kind of resource, which the handler says itself. Those of brokers are the
// cluster's.
func (c *call) configRight(op acl.Operation, kind kmsg.ConfigResourceType, name string) *kerr.Error {
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		if !c.allowed(op, acl.Topic, name) {
			return kerr.TopicAuthorizationFailed
		}
	case kmsg.ConfigResourceTypeGroupConfig:
		if !c.allowed(op, acl.Group, name) {
			return kerr.GroupAuthorizationFailed
		}
	case kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger, kmsg.ConfigResourceTypeClientMetrics:
		if !c.allowedOnCluster(op) {
			return kerr.ClusterAuthorizationFailed
		}
	}
	return nil
}
