package engine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/log/client"
)

// right is something that a pipeline has to be allowed.
type right struct {
	operations string // as the flag --operation takes them: "read,write"
	resource   string // as the flag for its name is called: topic, group, transactional-id
	name       string
}

// RightsMissing says that the log does not allow a pipeline what it takes.
type RightsMissing struct {
	Pipeline  string
	Principal string // who is not allowed, "" if that is not known
	Cause     error  // what was refused; nil if nothing was tried yet

	rights []right // none if they cannot be told
}

func (e *RightsMissing) Error() string {
	s := fmt.Sprintf("pipeline %s lacks rights on the log", e.Pipeline)
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	if len(e.rights) == 0 {
		return s
	}
	s += "; whoever may change ACLs gives them with"
	for _, c := range e.Commands() {
		s += "\n  " + c
	}
	return s
}

// Unwrap gives client.ErrNotAuthorized, and the cause.
func (e *RightsMissing) Unwrap() []error { return []error{client.ErrNotAuthorized, e.Cause} }

// Commands are the commands that give the rights, one for each set of operations
// and kind of resource.
func (e *RightsMissing) Commands() []string {
	who := e.Principal
	if who == "" {
		who = "User:NAME"
	}
	var commands []string
	at := map[[2]string]int{}
	for _, r := range e.rights {
		kind := [2]string{r.operations, r.resource}
		i, ok := at[kind]
		if !ok {
			i = len(commands)
			at[kind] = i
			commands = append(commands, "millrace acl create --allow "+shellWord(who)+" --operation "+r.operations)
		}
		commands[i] += " --" + r.resource + " " + shellWord(r.name)
	}
	return commands
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@=-]+$`)

// shellWord quotes what a shell would take apart, such as the name in a certificate.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// topicRight is what a pipeline does with one topic.
type topicRight struct {
	topic      string
	operations client.Operations
	own        bool // nobody else makes it
}

// topicRights are what the pipeline takes on topics, in the graph's order.
func (p *Pipeline) topicRights() []topicRight {
	const both = client.ReadOperation | client.WriteOperation
	all := []topicRight{{p.splitsTopic(), both, true}}
	if len(p.plan.stages) > 0 {
		all = append(all, topicRight{p.changelogTopic(), both, true})
	}
	for _, n := range p.plan.graph.Nodes {
		op := client.WriteOperation
		if n.Kind == dsl.Source {
			op = client.ReadOperation
		}
		for _, topic := range topicsOf(n) {
			i := slices.IndexFunc(all, func(t topicRight) bool { return t.topic == topic })
			if i < 0 {
				i = len(all)
				all = append(all, topicRight{topic: topic})
			}
			all[i].operations |= op
		}
	}
	return all
}

// checkRights finds out before anything is done whether the log allows what the
// pipeline does with topics, as far as it tells. A sink's first row may come hours
// later.
func (p *Pipeline) checkRights(ctx context.Context) error {
	rights, err := p.lackingTopics(ctx, nil)
	if err != nil || len(rights) == 0 {
		return err
	}
	return &RightsMissing{Pipeline: p.plan.graph.Name, Principal: p.options.Principal, rights: p.withMembership(rights)}
}

// explainDenial is a refusal with the rights that are missing.
func (p *Pipeline) explainDenial(ctx context.Context, cause error) error {
	if missing := (*RightsMissing)(nil); errors.As(cause, &missing) {
		return cause
	}
	rights, err := p.lackingTopics(ctx, cause)
	if err != nil {
		p.logger.Warn("cannot find out which rights are missing", "cause", err)
	}
	name := p.plan.graph.Name
	switch {
	case p.member == nil || p.writer == nil: // it will take these next
		rights = p.withMembership(rights)
	case errors.Is(cause, kerr.GroupAuthorizationFailed):
		rights = append(rights, right{"read", "group", name})
	case errors.Is(cause, kerr.TransactionalIDAuthorizationFailed):
		rights = append(rights, right{"write", "transactional-id", p.transactionalID()})
	}
	return &RightsMissing{Pipeline: name, Principal: p.options.Principal, Cause: cause, rights: rights}
}

// withMembership adds what a pipeline takes beside topics. Brokers tell nobody
// whether he has these rights before he uses them.
func (p *Pipeline) withMembership(rights []right) []right {
	rights = append(rights, right{"read", "group", p.plan.graph.Name})
	if p.options.AtLeastOnce {
		return rights
	}
	return append(rights, right{"write", "transactional-id", p.transactionalID()})
}

// lackingTopics asks the log for the rights on topics and returns those that are
// missing. A cause that is a refusal of a topic tells about topics that are not
// there yet too.
func (p *Pipeline) lackingTopics(ctx context.Context, cause error) ([]right, error) {
	all := p.topicRights()
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.topic
	}
	have, err := p.client.TopicRights(ctx, names...)
	if err != nil {
		return nil, err
	}
	refused := errors.Is(cause, kerr.TopicAuthorizationFailed)
	var rights []right
	for _, t := range all {
		has := have[t.topic]
		lacks := t.operations &^ has.Allowed
		hidden := has.Allowed == 0 && !has.Missing
		if has.Missing && has.Allowed == 0 { // nothing is told of it
			lacks = 0
		}
		if has.Missing && refused || hidden && t.own { // a hidden one may have to be created too
			lacks |= client.CreateOperation &^ has.Allowed
		}
		if lacks != 0 {
			rights = append(rights, right{operationNames(lacks), "topic", t.topic})
		}
	}
	return rights, nil
}

func operationNames(o client.Operations) string {
	var names []string
	for _, op := range []struct {
		client.Operations
		name string
	}{{client.CreateOperation, "create"}, {client.ReadOperation, "read"}, {client.WriteOperation, "write"}} {
		if o&op.Operations != 0 {
			names = append(names, op.name)
		}
	}
	return strings.Join(names, ",")
}
