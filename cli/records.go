package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/client"
	"github.com/millrace/millrace/log/record"
)

// produceFlags are those of produce.
type produceFlags struct {
	remote      remote
	separator   string
	partition   int32
	compression string
	tombstones  bool
}

func (a *app) produceCommand() *cobra.Command {
	var f produceFlags
	c := &cobra.Command{
		Use:   "produce TOPIC",
		Short: "Write the lines of standard input to a topic",
		Long: `Write the lines of standard input to a topic, one record a line. A topic that is not
there is made. With --key-separator what is before its first occurrence is the key; a
line without one has no key.`,
		Example: `  echo hello | millrace produce greetings
  printf 'ada\tsix\nbob\tten\n' | millrace produce scores -K '\t'
  echo ada | millrace produce scores -K '\t' --tombstones      # delete the key`,
		Args: exactArgs("a topic's name"),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("partition") && f.partition < 0 {
				return usagef("--partition %d: partitions are counted from 0", f.partition)
			}
			var err error
			if f.separator, err = unescape(f.separator); err != nil {
				return usagef("--key-separator %q: %v", f.separator, err)
			}
			if f.tombstones && f.separator == "" {
				return usagef("--tombstones needs --key-separator: only what has a key can be deleted")
			}
			return a.withClient(c, &f.remote, func(ctx context.Context, cl *client.Client) error {
				n, err := f.produce(ctx, cl, args[0], a.stdin)
				if errors.Is(err, kerr.ClusterAuthorizationFailed) {
					return fmt.Errorf("%w (this user needs the right to write to the topic: millrace acl create --allow User:NAME --operation write --topic %s)", err, args[0])
				}
				if err != nil {
					return fmt.Errorf("%w (%s read)", err, plural(n, "line was", "lines were"))
				}
				_, err = fmt.Fprintf(a.term.errors(), "wrote %s to %s\n", plural(n, "record", "records"), args[0])
				return err
			})
		},
	}
	c.ValidArgsFunction = a.completeOne(&f.remote, topicNames)
	f.remote.flags(c)
	flags := c.Flags()
	flags.StringVarP(&f.separator, "key-separator", "K", "", "what divides a line into key and value; \\t is a tab")
	flags.BoolVarP(&f.tombstones, "tombstones", "Z", false, "write an empty value as none, which deletes the key from a compacted topic")
	flags.Int32VarP(&f.partition, "partition", "p", -1, "partition to write to (default: by key, else in turn)")
	flags.StringVarP(&f.compression, "compression", "z", "none", "none, gzip, snappy, lz4 or zstd")
	oneOf(c, "compression", &f.compression, "none", "gzip", "snappy", "lz4", "zstd")
	return c
}

func (f *produceFlags) produce(ctx context.Context, cl *client.Client, topic string, in io.Reader) (int, error) {
	codec := f.compression
	if codec == "none" {
		codec = ""
	}
	p := cl.NewProducer(client.ProducerOptions{Compression: codec})
	defer p.Close()
	if err := cl.EnsureTopics(ctx, client.TopicSpec{Name: topic}); err != nil {
		return 0, err
	}
	parts, err := p.Partitions(ctx, topic)
	if err != nil {
		return 0, err
	}
	if f.partition >= parts {
		return 0, usagef("--partition %d: %s has %d", f.partition, topic, parts)
	}
	input := readLines(in)
	defer input.stop()
	n := 0
	for ctx.Err() == nil {
		chunk, err := nextChunk(ctx, input, p)
		if err != nil {
			return n, err
		}
		if chunk == nil {
			break
		}
		for _, line := range chunk {
			key, value := f.split(line)
			at := f.choose(key, n, parts)
			n++
			if err := p.Append(topic, at, time.Now().UnixMilli(), key, value); err != nil {
				return n, err
			}
		}
	}
	if ctx.Err() != nil { // what was read is still written
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.remote.timeout)
		defer cancel()
		return n, p.Flush(ending)
	}
	if input.err != nil {
		return n, errors.Join(fmt.Errorf("read standard input: %w", input.err), p.Flush(ctx))
	}
	return n, p.Flush(ctx)
}

// nextChunk is what was read next, nil at the end of the input or of ctx. Before it
// waits it sends what was appended, so that a slow input is seen line by line.
func nextChunk(ctx context.Context, input *lines, p *client.Producer) ([][]byte, error) {
	select {
	case chunk := <-input.chunks:
		return chunk, nil
	default:
	}
	if err := p.Flush(ctx); err != nil && ctx.Err() == nil {
		return nil, err
	}
	select {
	case chunk := <-input.chunks:
		return chunk, nil
	case <-ctx.Done():
		return nil, nil
	}
}

// choose is the partition of the record after n others.
func (f *produceFlags) choose(key []byte, n int, parts int32) int32 {
	switch {
	case f.partition >= 0:
		return f.partition
	case key != nil:
		return record.Partition(key, parts)
	}
	return int32(n % int(parts))
}

func (f *produceFlags) split(line []byte) (key, value []byte) {
	if f.separator == "" {
		return nil, line
	}
	k, v, ok := bytes.Cut(line, []byte(f.separator))
	switch {
	case !ok && f.tombstones:
		return line, nil
	case !ok:
		return nil, line
	case len(v) == 0 && f.tombstones:
		return k, nil
	}
	return k, v
}

// unescape reads \t, \n, \0 and \\, which shells hand over as they are written.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case '0':
			b.WriteByte(0)
		case '\\':
			b.WriteByte('\\')
		default:
			return s, fmt.Errorf(`write \t, \n, \0, or \\ for a backslash, not \%c`, s[i])
		}
	}
	return b.String(), nil
}

// consumeFlags are those of consume.
type consumeFlags struct {
	remote      remote
	from        string
	count       int64
	follow      bool
	uncommitted bool
	partition   int32
	output      string
	keys        bool
}

func (a *app) consumeCommand() *cobra.Command {
	var f consumeFlags
	c := &cobra.Command{
		Use:   "consume TOPIC",
		Short: "Print a topic's records: those there are now, or with --follow also those to come",
		Long: `Print a topic's records: those there are now, or with --follow also those to come.
Text is the values as they are, a line each. With -o json each record is a line with its
place, time, key, value and headers; what is no UTF-8 is in base64, and "base64" says so.`,
		Example: `  millrace consume orders -n 10
  millrace consume orders --from -1h --keys
  millrace consume orders -f -o json | jq .value`,
		Args: exactArgs("a topic's name"),
		RunE: func(c *cobra.Command, args []string) error {
			for _, flag := range []string{"partition", "count"} {
				if n := c.Flags().Lookup(flag); n.Changed && strings.HasPrefix(n.Value.String(), "-") {
					return usagef("--%s %s: it cannot be negative", flag, n.Value)
				}
			}
			return a.withClient(c, &f.remote, func(ctx context.Context, cl *client.Client) error {
				out := bufio.NewWriterSize(a.term, 64<<10)
				err := f.consume(ctx, cl, args[0], out)
				if errors.Is(err, context.Canceled) && ctx.Err() != nil {
					err = nil
				}
				return errors.Join(err, out.Flush())
			})
		},
	}
	c.ValidArgsFunction = a.completeOne(&f.remote, topicNames)
	f.remote.flags(c)
	flags := c.Flags()
	flags.StringVar(&f.from, "from", "start", "where to begin: start, end, an offset, a time (RFC 3339), or a duration ago (-1h)")
	_ = c.RegisterFlagCompletionFunc("from", cobra.FixedCompletions([]string{"start", "end"}, cobra.ShellCompDirectiveNoFileComp))
	flags.Int64VarP(&f.count, "count", "n", 0, "stop after so many records (default: no limit)")
	flags.BoolVarP(&f.follow, "follow", "f", false, "wait for more at the end")
	flags.BoolVar(&f.uncommitted, "uncommitted", false, "also records of open and aborted transactions")
	flags.Int32VarP(&f.partition, "partition", "p", -1, "only this partition")
	flags.BoolVarP(&f.keys, "keys", "k", false, "print the key and a tab before the value")
	outputFlag(c, &f.output)
	return c
}

func (f *consumeFlags) consume(ctx context.Context, cl *client.Client, topic string, out *bufio.Writer) error {
	from, ends, err := f.bounds(ctx, cl, topic)
	if err != nil {
		return err
	}
	isolation := client.ReadCommitted
	if f.uncommitted {
		isolation = client.ReadUncommitted
	}
	fetcher := cl.NewFetcher(client.FetcherOptions{Isolation: isolation})
	defer fetcher.Close()
	open := 0
	for tp, at := range from {
		if f.follow || at < ends[tp] {
			fetcher.Open(tp, at)
			open++
		}
	}
	var printed int64
	var records client.Records
	for open > 0 {
		cursor, got, err := fetcher.Next(ctx)
		if err != nil {
			return err
		}
		for records.Reset(got); records.Next(); {
			if !f.follow && records.Offset >= ends[got.Partition] {
				break
			}
			if err := f.print(out, got.Partition, &records); err != nil {
				return err
			}
			if printed++; printed == f.count {
				return nil
			}
		}
		if err := records.Err(); err != nil {
			return err
		}
		if !f.follow && cursor.Position() >= ends[got.Partition] {
			cursor.Close()
			open--
		}
		if f.follow {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// bounds are the first offset to read and the end as it is now, per partition.
func (f *consumeFlags) bounds(ctx context.Context, cl *client.Client, topic string) (from, ends map[client.TopicPartition]int64, err error) {
	t, err := cl.DescribeTopic(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	var all []client.TopicPartition
	for i := range t.Partitions {
		if f.partition < 0 || f.partition == int32(i) {
			all = append(all, client.TopicPartition{Topic: topic, Partition: int32(i)})
		}
	}
	if len(all) == 0 {
		return nil, nil, usagef("--partition %d: %s has %d", f.partition, topic, len(t.Partitions))
	}
	end := client.LastStable
	if f.uncommitted {
		end = client.HighWatermark
	}
	if ends, err = cl.ListOffsets(ctx, end, all...); err != nil {
		return nil, nil, err
	}
	starts, err := cl.ListOffsets(ctx, client.Earliest, all...)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case f.from == "start":
		return starts, ends, nil
	case f.from == "end":
		from = map[client.TopicPartition]int64{}
		for tp, at := range ends {
			from[tp] = at
		}
		return from, ends, nil
	}
	if offset, err := strconv.ParseInt(f.from, 10, 64); err == nil {
		from = map[client.TopicPartition]int64{}
		for tp, start := range starts {
			from[tp] = max(offset, start)
		}
		return from, ends, nil
	}
	at, err := f.time()
	if err != nil {
		return nil, nil, err
	}
	from, err = cl.ListOffsets(ctx, client.AtTimestamp(at.UnixMilli()), all...)
	return from, ends, err
}

// time is that of --from.
func (f *consumeFlags) time() (time.Time, error) {
	if ago, ok := strings.CutPrefix(f.from, "-"); ok {
		if d, err := time.ParseDuration(ago); err == nil && d >= 0 {
			return time.Now().Add(-d), nil
		}
	}
	at, err := time.Parse(time.RFC3339, f.from)
	if err != nil {
		return at, usagef("--from %q: use start, end, an offset, a time such as 2026-01-31T12:00:00Z, or a duration ago such as -1h30m", f.from)
	}
	return at, nil
}

func (f *consumeFlags) print(out *bufio.Writer, tp client.TopicPartition, r *client.Records) error {
	if f.output == "json" {
		rec, err := jsonRecord(tp, r)
		if err != nil {
			return err
		}
		line, err := json.Marshal(rec)
		if err != nil {
			return err
		}
		out.Write(line)
		return out.WriteByte('\n')
	}
	if f.keys {
		out.Write(r.Key)
		out.WriteByte('\t')
	}
	out.Write(r.Value)
	return out.WriteByte('\n')
}
