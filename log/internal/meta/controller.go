package meta

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/log/internal/core"
	"github.com/twmb/franz-go/pkg/kerr"
)

// ControllerOptions configure a Controller.
type ControllerOptions struct {
	// ClusterID is that of a cluster that has none yet.
	ClusterID ID
	// Source draws topic ids and places partitions. It is used by the Controller
	// alone.
	Source *rand.Rand
	// DefaultPartitions is the number of partitions of a topic that does not say;
	// 0 is 1.
	DefaultPartitions int32
	// MaxPartitions bounds the partitions of all topics together; 0 is 20 000.
	MaxPartitions int
	// MaxACLs bounds the access control entries; 0 is 50 000.
	MaxACLs int
}

// Controller is the core that decides on changes of the metadata. It is pure; see
// package core.
//
// The simple way is to decide against the committed image. Then two requests that
// arrive together both find the name free, or the partition epoch unchanged, and
// the second must fail when it is applied, on every node, long after it was
// answered. So decisions are made against the image as it will be:
//
//  1. image is the committed image plus everything proposed under this generation,
//     in order. Nobody else proposes while this node leads, so what commits is
//     exactly that, or the node has lost the lead.
//  2. A change is answered only after its records are committed and applied; a
//     refusal at once.
//  3. Whatever fails to commit ends the generation: the Controller answers
//     NOT_CONTROLLER until the next Lead brings a committed image.
//  4. A batch is all of one request: it is applied as a whole or not at all.
type Controller struct {
	opts       ControllerOptions
	leading    bool
	generation uint32
	sequence   uint32
	image      *Image
	// registering are the nodes whose registration is proposed: their epoch, the
	// index of the entry, is known when it is committed.
	registering map[core.Token]int32
}

// NewController returns a Controller that waits for a Lead.
func NewController(o ControllerOptions) *Controller {
	if o.DefaultPartitions <= 0 {
		o.DefaultPartitions = 1
	}
	if o.MaxPartitions <= 0 {
		o.MaxPartitions = 20_000
	}
	if o.MaxACLs <= 0 {
		o.MaxACLs = defaultMaxACLs
	}
	return &Controller{opts: o, image: NewImage(), registering: map[core.Token]int32{}}
}

// Step takes Lead, Resign, Request, core.Tick and core.Done.
func (c *Controller) Step(now time.Duration, in core.Input, out *core.Duties) {
	switch in := in.(type) {
	case core.Tick:
	case core.Done:
		c.done(in)
	case Resign:
		c.leading = false
	case Lead:
		c.leading, c.generation, c.sequence, c.image = true, in.Generation, 0, in.Image
		clear(c.registering)
		if c.image.ClusterID().IsZero() {
			c.propose(out, c.bootstrap())
		}
	case Request:
		c.request(in, out)
	default:
		panic(fmt.Sprintf("meta: the controller has no input %T", in))
	}
}

// done takes what became of a proposal; BaseOffset is the index of its entry.
func (c *Controller) done(d core.Done) {
	if generationOf(d.Token) != c.generation {
		return
	}
	if d.Err != nil {
		c.leading = false
		return
	}
	if node, ok := c.registering[d.Token]; ok {
		delete(c.registering, d.Token)
		c.image = c.image.withBrokerEpoch(node, d.BaseOffset)
	}
}

// generationOf is the leadership under which a token was made.
func generationOf(t core.Token) uint32 { return uint32(t >> 32) }

// bootstrap are the first records of a cluster.
func (c *Controller) bootstrap() []Record {
	return []Record{
		&Cluster{ID: c.opts.ClusterID},
		&Feature{Name: FeatureVersion, Level: LatestLevel()},
	}
}

func (c *Controller) request(r Request, out *core.Duties) {
	if !c.leading {
		out.Add(core.Reply{ID: r.ID, Response: refuse(kerr.NotController, "this node does not lead the metadata quorum")})
		return
	}
	response, records := c.decide(r.Body)
	if len(records) == 0 {
		out.Add(core.Reply{ID: r.ID, Response: response})
		return
	}
	token, err := c.propose(out, records)
	if err != nil {
		out.Add(core.Reply{ID: r.ID, Response: refuse(kerr.InvalidRequest, "%v", err)})
		return
	}
	if reg, ok := r.Body.(RegisterBroker); ok {
		c.registering[token] = reg.Broker.NodeID
	}
	out.AddAfter(token, core.Reply{ID: r.ID, Response: response})
}

// decide gives the answer to a request and the records that make it true.
func (c *Controller) decide(body any) (any, []Record) {
	switch req := body.(type) {
	case CreateTopics:
		return c.createTopics(req)
	case DeleteTopics:
		return c.deleteTopics(req)
	case CreatePartitions:
		return c.createPartitions(req)
	case AlterConfigs:
		return c.alterConfigs(req)
	case AlterDefaults:
		return answerOf(c.alterDefaults(req))
	case AlterGroupConfigs:
		return c.alterGroupConfigs(req)
	case RegisterBroker:
		return answerOf(c.registerBroker(req))
	case AlterPartition:
		return c.alterPartition(req)
	case AllocateProducerIDs:
		return c.allocateProducerIDs(req)
	case AlterClientQuotas:
		return c.alterClientQuotas(req)
	case AlterUserScramCredentials:
		return c.alterScramCredentials(req)
	case CreateACLs:
		return c.createACLs(req)
	case DeleteACLs:
		return c.deleteACLs(req)
	case FinalizeFeature:
		return answerOf(c.finalize(req))
	case ProposeRecords:
		return nil, req.Records
	}
	panic(fmt.Sprintf("meta: the controller has no request %T", body))
}

// answerOf is nil or the refusal as the answer.
func answerOf(records []Record, err error) (any, []Record) {
	if err != nil {
		return asRefusal(err), nil
	}
	return nil, records
}

// propose takes records into the image and has them committed. An error means that
// they do not fit.
func (c *Controller) propose(out *core.Duties, records []Record) (core.Token, error) {
	next, err := c.image.Apply(c.image.Index()+1, records)
	if err != nil {
		return 0, err
	}
	encoded := make([][]byte, len(records))
	for i, r := range records {
		encoded[i] = AppendRecord(nil, r)
		// What nobody could read would stop every node, for ever.
		if _, _, err := DecodeRecord(encoded[i]); err != nil {
			return 0, err
		}
	}
	c.image = next
	c.sequence++
	token := core.Token(uint64(c.generation)<<32 | uint64(c.sequence))
	out.Add(core.Propose{Token: token, Records: encoded})
	return token, nil
}

// each decides on the parts of a request one after the other, each against what
// the ones before it left, and returns all their records. With dry nothing stays.
func each[T any](c *Controller, dry bool, parts []T, decide func(T) (ID, []Record, error)) (any, []Record) {
	committed := c.image
	// What is kept in image here is for the parts that follow; propose applies the
	// whole batch again, as the nodes will.
	defer func() { c.image = committed }()
	results := make([]TopicResult, len(parts))
	var all []Record
	for i, part := range parts {
		id, records, err := decide(part)
		var next *Image
		if err == nil {
			next, err = c.image.Apply(committed.Index()+1, records)
		}
		if err != nil {
			results[i].Err = asRefusal(err)
			continue
		}
		if results[i].Topic = next.Topic(id); results[i].Topic == nil {
			results[i].Topic = c.image.Topic(id)
		}
		c.image, all = next, append(all, records...)
	}
	if dry {
		all = nil
	}
	return results, all
}

func asRefusal(err error) *Refusal {
	if r := (*Refusal)(nil); errors.As(err, &r) {
		return r
	}
	return refuse(kerr.InvalidRequest, "%v", err)
}
