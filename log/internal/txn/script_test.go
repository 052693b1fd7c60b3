package txn

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/coord/coordtest"
	"github.com/millrace/millrace/log/internal/core"
)

// TestScripts runs the behaviour tests of testdata. Requests are numbered as they are
// made. Markers wait for the command "markers", producer ids come at once from 1000 on
// unless "ids off" was said.
func TestScripts(t *testing.T) {
	coordtest.Script(t, func(*testing.T) func(coordtest.Command) string {
		m := &machine{}
		m.reset(Config{})
		return m.run
	})
}

// start is the time of day when a test's clock shows 0.
var start = time.UnixMilli(1_000_000)

// machine is a core on a Bench, with its duties as text.
type machine struct {
	bench   *coordtest.Bench
	out     strings.Builder
	n       uint64
	sent    []Markers // not answered
	nextID  int64
	noIDs   bool
	epoch   int32 // of the coordinator's partition; rises with every start
	verbose bool
}

func (m *machine) reset(cfg Config) {
	m.nextID, m.sent, m.epoch = 1000, nil, 0
	m.bench = &coordtest.Bench{
		New: func() coord.Replayable {
			m.epoch++
			m.sent = nil
			return NewCore(cfg, m.epoch, start)
		},
		OnAppend: func(records []coord.Record) {
			for _, r := range records {
				m.printf("  append %s\n", showRecord(r))
			}
		},
		OnReply: func(id uint64, resp any, err error) {
			if err != nil {
				resp = "lost"
			}
			m.printf("  reply %d %s\n", id, showResponse(resp))
		},
		OnSend: m.send,
		OnInstall: func(i core.Install) {
			if m.verbose {
				m.printf("  install %T%+v\n", i.State, i.State)
			}
		},
	}
	m.bench.Start()
}

func (m *machine) printf(format string, args ...any) { fmt.Fprintf(&m.out, format, args...) }

func (m *machine) send(s core.Send) {
	switch msg := s.Message.(type) {
	case Markers:
		m.sent = append(m.sent, msg)
		m.printf("  markers %s pid=%d epoch=%d %s version=%d coordinator=%d to %s\n", msg.TransactionalID,
			msg.ProducerID, msg.ProducerEpoch, outcome(msg.Commit), msg.Version, msg.CoordinatorEpoch, showPartitions(msg.Partitions))
	case WantProducerIDs:
		if !m.noIDs {
			m.bench.Queue(ProducerIDs{First: m.nextID, N: 2})
			m.nextID += 2
		} else {
			m.printf("  wants producer ids\n")
		}
	}
}

func (m *machine) run(c coordtest.Command) string {
	m.out.Reset()
	switch c.Verb {
	case "wait":
		d, err := time.ParseDuration(c.Word(0))
		if err != nil {
			c.Fail(err.Error())
		}
		m.bench.Advance(d)
	case "config":
		m.reset(Config{Park: c.Duration("park", 0), MaxTimeout: c.Duration("max", 0), Expiry: c.Duration("expiry", 0)})
	case "show":
		m.verbose = true
	case "ids":
		m.ids(c)
	case "hold":
		m.bench.Hold = true
	case "release":
		m.bench.Hold = false
		m.bench.Commit(-1)
	case "commit-held":
		m.bench.Commit(int(c.Int("n", -1)))
	case "fail":
		m.bench.Fail(int(c.Int("kept", 0)))
		m.bench.Hold = false
		m.bench.Start()
	case "crash":
		m.bench.Hold = false
		m.bench.Start()
	case "markers":
		m.answerMarkers(c)
	case "plant":
		m.plant(c)
	default:
		m.n++
		m.bench.Input(m.input(c))
	}
	return m.out.String()
}

func (m *machine) ids(c coordtest.Command) {
	switch c.Word(0) {
	case "off":
		m.noIDs = true
	case "on":
		m.noIDs = false
		m.bench.Input(ProducerIDs{First: m.nextID, N: 2})
		m.nextID += 2
	case "fail":
		m.bench.Input(ProducerIDs{Err: fmt.Errorf("no quorum")})
	}
}

// answerMarkers says that the oldest markers are written, but for the partitions
// named.
func (m *machine) answerMarkers(c coordtest.Command) {
	if len(m.sent) == 0 {
		c.Fail("no markers were sent")
	}
	msg := m.sent[0]
	m.sent = m.sent[1:]
	w := MarkersWritten{TransactionalID: msg.TransactionalID, ProducerID: msg.ProducerID, ProducerEpoch: msg.ProducerEpoch}
	for _, missing := range c.Words {
		topic, p, _ := c.Partition(missing)
		w.Missing = append(w.Missing, TopicPartition{topic, p})
	}
	m.bench.Input(w)
}

// plant puts a transactional id into the core, as if it had been replayed: to begin at
// the end of the epochs without 32 766 transactions.
func (m *machine) plant(c coordtest.Command) {
	t := &transaction{id: c.Word(0), pid: c.Int("pid", 1), prevPid: none, nextPid: none,
		epoch: int16(c.Int("epoch", 0)), lastEpoch: none, timeoutMs: 60_000, startMs: -1, version: 2}
	for i, name := range stateNames {
		if c.String("state", "Empty") == name {
			t.state = State(i)
		}
	}
	m.bench.Plant(coord.KV{Key: recordKey(t.id), Value: recordValue(t)})
	m.bench.Start()
}

func (m *machine) input(c coordtest.Command) core.Input {
	body := func(req kmsg.Request) core.Input { return coord.Request{ID: m.n, Body: req} }
	switch c.Verb {
	case "init":
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version = int16(c.Int("v", 5))
		if len(c.Words) > 0 {
			req.TransactionalID = &c.Words[0]
		}
		req.TransactionTimeoutMillis = int32(c.Duration("timeout", time.Minute).Milliseconds())
		req.ProducerID, req.ProducerEpoch = c.Int("pid", -1), int16(c.Int("epoch", -1))
		return body(req)
	case "end":
		req := kmsg.NewPtrEndTxnRequest()
		req.Version, req.TransactionalID = int16(c.Int("v", 5)), c.Word(0)
		req.ProducerID, req.ProducerEpoch = c.Int("pid", 1000), int16(c.Int("epoch", 0))
		req.Commit = c.Has("commit")
		return body(req)
	case "add":
		add := Add{ID: m.n, TransactionalID: c.Word(0), ProducerID: c.Int("pid", 1000),
			ProducerEpoch: int16(c.Int("epoch", 0)), Version: int16(c.Int("version", 2)), VerifyOnly: c.Has("verify")}
		for _, w := range c.Words[1:] {
			if strings.Contains(w, "/") {
				topic, p, _ := c.Partition(w)
				add.Partitions = append(add.Partitions, TopicPartition{topic, p})
			}
		}
		return add
	case "abort":
		return Abort{ID: m.n, TransactionalID: c.Word(0)}
	case "describe":
		req := kmsg.NewPtrDescribeTransactionsRequest()
		req.TransactionalIDs = c.Words
		return body(req)
	case "list":
		req := kmsg.NewPtrListTransactionsRequest()
		req.Version = 2
		if s := c.String("state", ""); s != "" {
			req.StateFilters = []string{s}
		}
		req.DurationFilterMillis = c.Int("longer", -1)
		if p := c.String("pattern", ""); p != "" {
			req.TransactionalIDPattern = &p
		}
		return body(req)
	}
	c.Fail("unknown verb")
	return nil
}

func outcome(commit bool) string {
	if commit {
		return "commit"
	}
	return "abort"
}

func showPartitions(partitions []TopicPartition) string {
	s := make([]string, len(partitions))
	for i, p := range partitions {
		s[i] = p.Topic + "/" + strconv.Itoa(int(p.Partition))
	}
	return "[" + strings.Join(s, " ") + "]"
}

// showRecord is a record of the log on one line.
func showRecord(r coord.Record) string {
	var k kmsg.TxnMetadataKey
	if err := k.ReadFrom(r.Key); err != nil {
		return err.Error()
	}
	if r.Value == nil {
		return k.TransactionalID + " tombstone"
	}
	t, err := decodeRecord(k.TransactionalID, r.Value)
	if err != nil {
		return err.Error()
	}
	s := fmt.Sprintf("%s %s pid=%d epoch=%d", t.id, t.state, t.pid, t.epoch)
	if t.lastEpoch != none {
		s += fmt.Sprintf(" last=%d", t.lastEpoch)
	}
	if t.prevPid != none {
		s += fmt.Sprintf(" prev=%d", t.prevPid)
	}
	if t.nextPid != none {
		s += fmt.Sprintf(" next=%d", t.nextPid)
	}
	return s + " " + showPartitions(t.partitions)
}

// showResponse is a response on one line.
func showResponse(resp any) string {
	switch resp := resp.(type) {
	case nil:
		return "ok"
	case string:
		return resp
	case error:
		return resp.(*kerr.Error).Message
	case AddResult:
		s := make([]string, len(resp))
		for i, code := range resp {
			s[i] = errorName(code)
		}
		return strings.Join(s, " ")
	case *kmsg.InitProducerIDResponse:
		if resp.ErrorCode != 0 {
			return errorName(resp.ErrorCode)
		}
		return fmt.Sprintf("pid=%d epoch=%d", resp.ProducerID, resp.ProducerEpoch)
	case *kmsg.EndTxnResponse:
		if resp.ErrorCode != 0 {
			return errorName(resp.ErrorCode)
		}
		return fmt.Sprintf("ok pid=%d epoch=%d", resp.ProducerID, resp.ProducerEpoch)
	case *kmsg.DescribeTransactionsResponse:
		var s []string
		for _, d := range resp.TransactionStates {
			one := fmt.Sprintf("%s %s %s pid=%d epoch=%d timeout=%d start=%d", d.TransactionalID, errorName(d.ErrorCode),
				d.State, d.ProducerID, d.ProducerEpoch, d.TimeoutMillis, d.StartTimestamp)
			for _, t := range d.Topics {
				one += fmt.Sprintf(" %s%v", t.Topic, t.Partitions)
			}
			s = append(s, one)
		}
		return strings.Join(s, "; ")
	case *kmsg.ListTransactionsResponse:
		s := errorName(resp.ErrorCode)
		for _, l := range resp.TransactionStates {
			s += fmt.Sprintf(" %s:%d:%s", l.TransactionalID, l.ProducerID, l.TransactionState)
		}
		return s + fmt.Sprintf(" unknown=%v", resp.UnknownStateFilters)
	}
	return fmt.Sprintf("%T", resp)
}

func errorName(code int16) string {
	if code == 0 {
		return "ok"
	}
	return kerr.ErrorForCode(code).(*kerr.Error).Message
}

var _ core.Core = (*Core)(nil)
