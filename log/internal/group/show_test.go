package group

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// showRecord is a record of the log on one line.
func (m *machine) showRecord(r coord.Record) string {
	if r.Control {
		outcome := "abort"
		if r.Commit {
			outcome = "commit"
		}
		return fmt.Sprintf("marker pid=%d epoch=%d %s", r.ProducerID, r.ProducerEpoch, outcome)
	}
	k, isGroup, version, err := decodeKey(r.Key)
	if err != nil {
		return err.Error()
	}
	if isConsumerKey(version) {
		return m.showConsumerRecord(version, r)
	}
	name := fmt.Sprintf("offset %s %s/%d", k.group, k.topic, k.partition)
	if isGroup {
		name = "group " + k.group
	}
	if r.Value == nil {
		return name + " tombstone"
	}
	if isGroup {
		v, err := decodeMetadata(r.Value)
		if err != nil {
			return err.Error()
		}
		members := make([]string, len(v.Members))
		for i, vm := range v.Members {
			members[i] = fmt.Sprintf("%s:%s", m.name(vm.MemberID), m.showBytes(vm.Assignment))
		}
		return fmt.Sprintf("%s v%d gen=%d protocol=%s leader=%s members=%s", name, v.Version,
			v.Generation, text(v.Protocol), m.name(text(v.Leader)), strings.Join(members, ","))
	}
	var v kmsg.OffsetCommitValue
	if err := v.ReadFrom(r.Value); err != nil {
		return err.Error()
	}
	s := fmt.Sprintf("%s v%d = %d at %d", name, v.Version, v.Offset, v.CommitTimestamp)
	if v.Version == offsetValueExpiresVersion {
		s += fmt.Sprintf(" until %d", v.ExpireTimestamp)
	}
	if r.Transactional {
		s += fmt.Sprintf(" in pid=%d epoch=%d", r.ProducerID, r.ProducerEpoch)
	}
	return s
}

// showResponse is a response on one line.
func (m *machine) showResponse(resp any) string {
	switch resp := resp.(type) {
	case nil:
		return "ok"
	case error:
		return resp.Error()
	case *kmsg.JoinGroupResponse:
		if resp.ErrorCode != 0 {
			return fmt.Sprintf("%s member=%s", errorName(resp.ErrorCode), m.name(resp.MemberID))
		}
		s := fmt.Sprintf("joined gen=%d protocol=%s leader=%s member=%s", resp.Generation,
			text(resp.Protocol), m.name(resp.LeaderID), m.name(resp.MemberID))
		var members []string
		for _, jm := range resp.Members {
			members = append(members, fmt.Sprintf("%s:%s", m.name(jm.MemberID), printable(jm.ProtocolMetadata)))
		}
		if members != nil {
			s += " members=" + strings.Join(members, ",")
		}
		if resp.SkipAssignment {
			s += " skip-assignment"
		}
		return s
	case *kmsg.ConsumerGroupHeartbeatResponse:
		return m.showBeat(resp)
	case *kmsg.ConsumerGroupDescribeResponse:
		return m.showConsumers(resp)
	case *kmsg.SyncGroupResponse:
		return fmt.Sprintf("%s assignment=%s", errorName(resp.ErrorCode), m.showBytes(resp.MemberAssignment))
	case *kmsg.HeartbeatResponse:
		return errorName(resp.ErrorCode)
	case *kmsg.LeaveGroupResponse:
		var s strings.Builder
		s.WriteString(errorName(resp.ErrorCode))
		for _, lm := range resp.Members {
			s.WriteString(fmt.Sprintf(" %s%s:%s", m.name(lm.MemberID), text(lm.InstanceID), errorName(lm.ErrorCode)))
		}
		return s.String()
	case *kmsg.DescribeGroupsResponse:
		var s []string
		for _, g := range resp.Groups {
			var one strings.Builder
			one.WriteString(fmt.Sprintf("%s %s %s protocol=%s/%s", g.Group, errorName(g.ErrorCode), g.State, g.ProtocolType, g.Protocol))
			for _, gm := range g.Members {
				one.WriteString(fmt.Sprintf(" %s:%s@%s", m.name(gm.MemberID), m.showBytes(gm.MemberAssignment), gm.ClientHost))
			}
			s = append(s, one.String())
		}
		return strings.Join(s, "; ")
	case *kmsg.ListGroupsResponse:
		var s strings.Builder
		s.WriteString(errorName(resp.ErrorCode))
		for _, g := range resp.Groups {
			s.WriteString(fmt.Sprintf(" %s:%s:%s:%s", g.Group, g.ProtocolType, g.GroupState, g.GroupType))
		}
		return s.String()
	case *kmsg.DeleteGroupsResponse:
		var s []string
		for _, g := range resp.Groups {
			s = append(s, g.Group+":"+errorName(g.ErrorCode))
		}
		return strings.Join(s, " ")
	}
	return m.showOffsets(resp)
}

func (m *machine) showOffsets(resp any) string {
	var s []string
	switch resp := resp.(type) {
	case *kmsg.OffsetCommitResponse:
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				s = append(s, fmt.Sprintf("%s/%d:%s", t.Topic, p.Partition, errorName(p.ErrorCode)))
			}
		}
	case *kmsg.TxnOffsetCommitResponse:
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				s = append(s, fmt.Sprintf("%s/%d:%s", t.Topic, p.Partition, errorName(p.ErrorCode)))
			}
		}
	case *kmsg.OffsetDeleteResponse:
		s = append(s, errorName(resp.ErrorCode))
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				s = append(s, fmt.Sprintf("%s/%d:%s", t.Topic, p.Partition, errorName(p.ErrorCode)))
			}
		}
	case *kmsg.OffsetFetchResponse:
		s = append(s, errorName(resp.ErrorCode))
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				s = append(s, showFetched(t.Topic, p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode))
			}
		}
		for _, g := range resp.Groups {
			s = append(s, g.Group+":"+errorName(g.ErrorCode))
			for _, t := range g.Topics {
				topic := t.Topic
				if resp.Version >= 10 {
					topic = "#" + strings.TrimRight(string(t.TopicID[:]), "\x00")
				}
				for _, p := range t.Partitions {
					s = append(s, showFetched(topic, p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode))
				}
			}
		}
	default:
		return fmt.Sprintf("%T", resp)
	}
	return strings.Join(s, " ")
}

func showFetched(topic string, p int32, offset int64, epoch int32, meta *string, code int16) string {
	if meta == nil {
		return fmt.Sprintf("%s/%d: NULL METADATA", topic, p)
	}
	return fmt.Sprintf("%s/%d=%d,%d,%q:%s", topic, p, offset, epoch, *meta, errorName(code))
}

// showBytes is an assignment: of consumers as partitions, else what a test made up.
func (m *machine) showBytes(b []byte) string {
	if m.topics != nil && len(b) > 0 {
		if a, _, err := parseAssignment(b, m.topics); err == nil {
			return m.showPartitions(a)
		}
	}
	return string(b)
}

// printable is metadata that a test made up; that of a consumer is shown as such.
func printable(b []byte) string {
	if bytes.ContainsFunc(b, unicode.IsControl) {
		return "subscription"
	}
	return string(b)
}
