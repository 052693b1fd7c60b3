package broker

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// WriteDocs is docs/protocol.md: what is served, from the handlers that serve it.
func WriteDocs() string {
	var b strings.Builder
	b.WriteString(docsIntro)
	b.WriteString("\n## Keys and versions\n\n")
	b.WriteString("| Key | Name | Advertised | Served | Flexible from |\n|--:|---|---|---|--:|\n")
	for _, h := range handlers() {
		r := h.levels[len(h.levels)-1]
		fmt.Fprintf(&b, "| %d | %s | %d-%d | %d-%d | %s |\n", h.key, kmsg.NameForKey(h.key), r.min, r.max, max(r.min, h.served), r.max, flexibleFrom(h.key))
	}
	b.WriteString("\n## What each version brought\n")
	for _, h := range handlers() {
		fmt.Fprintf(&b, "\n### %s (%d)\n\n", kmsg.NameForKey(h.key), h.key)
		for _, c := range h.changes {
			fmt.Fprintf(&b, "- v%d: %s\n", c.version, c.text)
		}
	}
	b.WriteString(docsDeviations)
	for _, h := range handlers() {
		for _, d := range h.deviations {
			fmt.Fprintf(&b, "- **%s**: %s\n", kmsg.NameForKey(h.key), d)
		}
	}
	b.WriteString(docsLimits())
	return b.String()
}

func flexibleFrom(key int16) string {
	req := kmsg.RequestForKey(key)
	for v := range req.MaxVersion() + 1 {
		if req.SetVersion(v); req.IsFlexible() {
			return fmt.Sprint(v)
		}
	}
	return "never"
}

const docsIntro = `# The wire protocol

<!-- Generated from the handlers in log/internal/broker: go test ./log/internal/broker -run TestDocs -update -->

A Millrace node speaks Apache Kafka's protocol, as brokers of version 4 do. Below is
what it serves. The ranges depend only on the cluster's finalized feature level
(` + "`millrace.version`" + `), so every node of a cluster gives the same answer; this is level 1.

ApiVersions also carries the finalized features ` + "`transaction.version=2`" + ` (KIP-890) and
` + "`group.version=1`" + ` (KIP-848) from version 3 on, which is what makes clients use them.

An API key that is not listed, or a version outside its range, closes the connection,
as in Kafka; only ApiVersions is answered in any version.
`

const docsDeviations = `
## Deviations from Apache Kafka

- Record batches of format 2 are stored as they were received. Formats 0 and 1 are
  refused, and nothing is converted for an old consumer.
- Listeners are bound to loopback addresses unless told otherwise; on one without
  authentication everyone is ` + "`User:ANONYMOUS`" + `.
- There is one node: its partitions have one replica each, cannot be moved and have no
  other leader to elect.
- The answer tells clients to connect to the address that they came to, unless an
  advertised address is set.
- Requests that brokers send to each other are not served, but for AddPartitionsToTxn of
  versions 4 and 5, which takes the right to act on the cluster.
- A refused request has Kafka's error code for its version: what a version does not know
  yet is told as what was nearest then (PRODUCER_FENCED as INVALID_PRODUCER_EPOCH,
  TRANSACTION_ABORTABLE as INVALID_TXN_STATE, KAFKA_STORAGE_ERROR as
  NOT_LEADER_OR_FOLLOWER). Messages beside the codes are Millrace's own.
`

// docsLimits is the table of the default limits.
func docsLimits() string {
	var l Limits
	l.setDefaults()
	rows := [][2]string{
		{"a request", fmt.Sprintf("%s; a Produce %s", size(l.FrameBytes), size(l.ProduceBytes))},
		{"requests being read and handled, all connections", size(int(l.RequestBytes))},
		{"what they decode to and their answers take, all connections", size(int(l.DecodeBytes))},
		{"fetched records on their way out, all connections", size(int(l.ResponseBytes))},
		{"one Fetch answer", size(l.FetchBytes) + ", or one batch if that is larger"},
		{"unknown tagged fields of a request", fmt.Sprintf("%d, with %s", maxUnknownTags, size(maxUnknownTagBytes))},
		{"requests of a connection read ahead or waiting for their answer", fmt.Sprint(l.Pipelined)},
		{"connections", fmt.Sprint(l.Connections)},
		{"connections that have not authenticated", fmt.Sprint(l.Strangers)},
		{"silence before a connection is closed", l.Idle.String()},
		{"arrival of a request, departure of a response", l.FrameTime.String()},
		{"arrival of each " + size(chunkBytes) + " of a request", l.ChunkTime.String()},
		{"a Fetch's wait", l.Wait.String()},
		{"a Produce's wait for its commit", (maxProduceMillis * time.Millisecond).String()},
	}
	var b strings.Builder
	b.WriteString(docsLimitsIntro)
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s |\n", r[0], r[1])
	}
	b.WriteString(docsReservation)
	return b.String()
}

// size is a number of bytes as people write it.
func size(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

const docsLimitsIntro = `
## Limits

What connections may make a node hold. Beyond them a request waits, or the connection
is closed; the node's log says why and from whom.

| What | Limit |
|---|---|
`

const docsReservation = `
A request is walked before it is decoded, so what decoding will allocate and how many
answers it wants is known and paid for first. Records are not decoded: a Produce costs
little more than itself. An ordinary request can name about 40 000 things (topics,
partitions, groups); one that creates topics about 5 000, one that describes configs
about 3 000.
`
