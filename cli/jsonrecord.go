package cli

import (
	"encoding/base64"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/log/client"
)

// consumed is a record as consume prints it with -o json.
type consumed struct {
	Topic     string           `json:"topic"`
	Partition int32            `json:"partition"`
	Offset    int64            `json:"offset"`
	Timestamp *string          `json:"timestamp"` // nil for a record without one
	Key       *string          `json:"key"`
	Value     *string          `json:"value"`
	Headers   []consumedHeader `json:"headers,omitempty"`
	Base64    bool             `json:"base64,omitempty"` // keys and values are, those of headers too
}

type consumedHeader struct {
	Key   *string `json:"key"`
	Value *string `json:"value"`
}

func jsonRecord(tp client.TopicPartition, r *client.Records) (consumed, error) {
	c := consumed{Topic: tp.Topic, Partition: tp.Partition, Offset: r.Offset}
	if r.Timestamp != -1 {
		at := time.UnixMilli(r.Timestamp).UTC().Format("2006-01-02T15:04:05.000Z07:00")
		c.Timestamp = &at
	}
	c.Base64 = !utf8.Valid(r.Key) || !utf8.Valid(r.Value)
	all := r.Headers()
	for all.Next() {
		c.Base64 = c.Base64 || !utf8.Valid(all.Key) || !utf8.Valid(all.Value)
	}
	c.Key, c.Value = text(r.Key, c.Base64), text(r.Value, c.Base64)
	for h := r.Headers(); h.Next(); {
		c.Headers = append(c.Headers, consumedHeader{text(h.Key, c.Base64), text(h.Value, c.Base64)})
	}
	return c, all.Err()
}

func text(b []byte, encoded bool) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	if encoded {
		s = base64.StdEncoding.EncodeToString(b)
	}
	return &s
}
