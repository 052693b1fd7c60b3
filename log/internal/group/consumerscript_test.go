package group

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/coord/coordtest"
)

// consumerRequest reads the requests of the consumer protocol:
//
//	beat GROUP MEMBER epoch=0 topics=t,u regex=... owned=t/0,t/1 instance=i assignor=range
//	describe-consumers GROUP...
//
// A beat with epoch 0 is a full one with what is not named at its default; others say
// only what they name.
func (m *machine) consumerRequest(c coordtest.Command) kmsg.Request {
	switch c.Verb {
	case "beat":
		return m.beatRequest(c)
	case "describe-consumers":
		req := kmsg.NewPtrConsumerGroupDescribeRequest()
		req.Version, req.Groups = 1, c.Words
		return req
	}
	return m.offsetRequest(c)
}

func (m *machine) beatRequest(c coordtest.Command) kmsg.Request {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.MemberID = int16(c.Int("v", 1)), c.Word(0), ""
	if len(c.Words) > 1 {
		req.MemberID = c.Word(1)
	}
	req.MemberEpoch = int32(c.Int("epoch", 0))
	req.InstanceID, req.RackID, req.ServerAssignor = optional(c, "instance"), optional(c, "rack"), optional(c, "assignor")
	req.SubscribedTopicRegex = optional(c, "regex")
	if req.MemberEpoch == 0 || c.Has("rebalance") {
		req.RebalanceTimeoutMillis = int32(c.Duration("rebalance", time.Minute).Milliseconds())
	}
	if c.Has("topics") || req.MemberEpoch == 0 && !c.Has("regex") && !c.Has("no-topics") {
		req.SubscribedTopicNames = append([]string{}, list(c, "topics")...)
	}
	if req.MemberEpoch == 0 && !c.Has("no-owned") || c.Has("owned") {
		req.Topics = m.ownedTopics(c)
	}
	return req
}

func (m *machine) ownedTopics(c coordtest.Command) []kmsg.ConsumerGroupHeartbeatRequestTopic {
	topics := []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for _, w := range list(c, "owned") {
		name, p, version := c.Partition(w)
		id, _, _ := m.topics.Topic(name)
		if version != "" {
			id = topicID(name + version)
		}
		topics = append(topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: id, Partitions: []int32{p}})
	}
	return topics
}

// realAssignment is an assignment in the schema of consumers: "t/0+t/1".
func realAssignment(c coordtest.Command, what string) []byte {
	a := kmsg.NewConsumerMemberAssignment()
	a.UserData = []byte(c.String("userdata", ""))
	for w := range strings.SplitSeq(what, "+") {
		if w != "" {
			name, p, _ := c.Partition(w)
			a.Topics = append(a.Topics, kmsg.ConsumerMemberAssignmentTopic{Topic: name, Partitions: []int32{p}})
		}
	}
	return a.AppendTo(nil)
}

func (m *machine) showBeat(resp *kmsg.ConsumerGroupHeartbeatResponse) string {
	if resp.ErrorCode != 0 {
		return fmt.Sprintf("%s (%s)", errorName(resp.ErrorCode), text(resp.ErrorMessage))
	}
	s := fmt.Sprintf("ok %s epoch=%d", m.name(text(resp.MemberID)), resp.MemberEpoch)
	if ms := resp.HeartbeatIntervalMillis; ms != 0 && ms != 5000 {
		s += fmt.Sprintf(" heartbeat=%v", millis(resp.HeartbeatIntervalMillis))
	}
	if resp.Assignment == nil {
		return s
	}
	p := partitions{}
	for _, t := range resp.Assignment.Topics {
		for _, i := range t.Partitions {
			p[topicPartition{t.TopicID, i}] = 0
		}
	}
	return s + " assigned=" + m.showPartitions(p)
}

// showPartitions are partitions by the names of topics; "#" and the id if it has none.
func (m *machine) showPartitions(p partitions) string {
	var s []string
	for _, t := range byTopic(p) {
		name := "#" + strings.TrimRight(string(t.id[:]), "\x00")
		if m.topics != nil {
			if n, ok := m.topics.Name(t.id); ok {
				name = n
			}
		}
		for _, i := range t.partitions {
			s = append(s, fmt.Sprintf("%s/%d", name, i))
		}
	}
	return "[" + strings.Join(s, " ") + "]"
}

func (m *machine) showAssignment(a kmsg.Assignment) string {
	var s []string
	for _, t := range a.TopicPartitions {
		for _, p := range t.Partitions {
			s = append(s, fmt.Sprintf("%s/%d", t.Topic, p))
		}
	}
	return "[" + strings.Join(s, " ") + "]"
}

func (m *machine) showConsumers(resp *kmsg.ConsumerGroupDescribeResponse) string {
	var s []string
	for _, g := range resp.Groups {
		if g.ErrorCode != 0 {
			s = append(s, fmt.Sprintf("%s %s (%s)", g.Group, errorName(g.ErrorCode), text(g.ErrorMessage)))
			continue
		}
		var one strings.Builder
		one.WriteString(fmt.Sprintf("%s %s epoch=%d target=%d %s", g.Group, g.State, g.Epoch, g.AssignmentEpoch, g.AssignorName))
		for _, gm := range g.Members {
			one.WriteString(fmt.Sprintf("; %s type=%d epoch=%d topics=%s%s %s -> %s", m.name(gm.MemberID), gm.MemberType, gm.MemberEpoch,
				strings.Join(gm.SubscribedTopics, ","), text(gm.SubscribedTopicRegex), m.showAssignment(gm.Assignment), m.showAssignment(gm.TargetAssignment)))
		}
		s = append(s, one.String())
	}
	return strings.Join(s, "\n    ")
}

// showConsumerRecord is a record of a consumer group on one line.
func (m *machine) showConsumerRecord(version int16, r coord.Record) string {
	group, of, err := decodeConsumerKey(r.Key)
	if err != nil {
		return err.Error()
	}
	kind := map[int16]string{groupEpochKey: "epoch", partitionMetadataKey: "partition-metadata", memberProfileKey: "member",
		targetEpochKey: "target-epoch", memberTargetKey: "target", memberStandingKey: "standing", regexKey: "regex"}[version]
	s := strings.TrimSpace(fmt.Sprintf("%s %s %s", kind, group, m.name(of)))
	if r.Value == nil {
		return s + " tombstone"
	}
	return s + " " + m.showConsumerValue(version, r.Value)
}

func (m *machine) showConsumerValue(version int16, value []byte) string {
	var s string
	var err error
	switch version {
	case groupEpochKey:
		var epoch int32
		epoch, _, err = decodeEpoch(value)
		s = fmt.Sprint(epoch)
	case targetEpochKey:
		var epoch int32
		epoch, err = decodeTargetEpoch(value)
		s = fmt.Sprint(epoch)
	case memberTargetKey:
		var p partitions
		p, err = decodeTarget(value)
		s = m.showPartitions(p)
	case memberStandingKey:
		var st standing
		st, err = decodeStanding(value)
		s = fmt.Sprintf("%d (%d) %s %s", st.epoch, st.previous, [...]string{"stable", "unrevoked", "unreleased"}[st.state], m.showPartitions(st.assigned))
		if len(st.revoking) > 0 {
			s += " revoking " + m.showPartitions(st.revoking)
		}
	case memberProfileKey:
		var p profile
		p, err = decodeProfile(value)
		s = fmt.Sprintf("topics=%s%s", strings.Join(p.topics, ","), p.regex)
		if p.instance != nil {
			s += " instance=" + *p.instance
		}
		if p.classic != nil {
			s += " classic=" + p.classic.protocol()
		}
	case regexKey:
		var r *regex
		if r, err = decodeRegex(value); err == nil {
			s = strings.Join(r.topics, ",")
		}
	}
	if err != nil {
		return err.Error()
	}
	return s
}
