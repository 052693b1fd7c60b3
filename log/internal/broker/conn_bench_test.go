package broker

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// What a request costs on its way from the socket to its handler and back: one at a
// time, and with as many under way as a busy producer has.
func BenchmarkConnection(b *testing.B) {
	for name, shape := range map[string]struct{ bytes, underWay int }{
		"one-1k": {1 << 10, 1}, "pipelined-1k": {1 << 10, 32}, "pipelined-1m": {1 << 20, 8},
	} {
		b.Run(name, func(b *testing.B) {
			broker, addr := testBroker(b, Limits{}, standIn{keyProduce, func(_ context.Context, _ *call, req kmsg.Request) (answer, error) {
				resp := req.ResponseKind().(*kmsg.ProduceResponse)
				return answer{later: func(context.Context) kmsg.Response { return resp }}, nil
			}})
			broker.opts.Strict = false // its checks cost more than all the rest
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			req := produceRequest()
			rt, rp := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
			rp.Records = make([]byte, shape.bytes)
			rt.Partitions = append(rt.Partitions, rp)
			req.Topics = append(req.Topics, rt)
			frame := frameOf(req, 1)
			answered := make(chan struct{}, shape.underWay)
			go func() {
				defer close(answered)
				in := bufio.NewReader(nc)
				var head [4]byte
				for {
					if _, err := io.ReadFull(in, head[:]); err != nil {
						return
					}
					if _, err := in.Discard(int(binary.BigEndian.Uint32(head[:]))); err != nil {
						return
					}
					answered <- struct{}{}
				}
			}()
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			underWay := 0
			for b.Loop() {
				if underWay == shape.underWay {
					<-answered
					underWay--
				}
				if _, err := nc.Write(frame); err != nil {
					b.Fatal(err)
				}
				underWay++
			}
			for range underWay {
				<-answered
			}
		})
	}
}
