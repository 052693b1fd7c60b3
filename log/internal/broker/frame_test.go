package broker

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzFrame gives any bytes to what stands between a socket and the handlers. It
// must not panic, what decodes must have been walked and the other way round, and
// decoding allocates no more than walking has said.
func FuzzFrame(f *testing.F) {
	for _, h := range handlers() {
		for v := range kmsg.RequestForKey(h.key).MaxVersion() + 1 {
			req := kmsg.RequestForKey(h.key)
			req.SetVersion(v)
			f.Add(frameOf(req, 1))
		}
	}
	var limits Limits
	limits.setDefaults()
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := readPrefix(bytes.NewReader(b))
		if err != nil || p.check(1, &limits, false) != nil {
			return
		}
		rest := b[prefixBytes:]
		if p.rest() > len(rest) {
			return // a connection waits for more
		}
		rest = rest[:p.rest()]
		if p.key == keyApiVersions && p.version > maxVersion(1, keyApiVersions) {
			return
		}
		r, err := p.walk(rest)
		if err != nil {
			return
		}
		got := allocated(r.cost, func() { _, err = r.decode() })
		if got > r.cost+1024 && !raceDetector {
			t.Errorf("%s v%d: decoding %d bytes allocated %d, %d were reserved", kmsg.NameForKey(p.key), p.version, len(b), got, r.cost)
		}
		if err != nil {
			t.Errorf("%s v%d: walked but not decoded: %v", kmsg.NameForKey(p.key), p.version, err)
		}
	})
}

func TestResponseFrames(t *testing.T) {
	api := kmsg.NewPtrApiVersionsResponse()
	api.Version = 3
	cluster := kmsg.NewPtrDescribeClusterResponse()
	for _, resp := range []kmsg.Response{api, cluster} {
		b := appendResponse(nil, 9, resp)
		header := 8
		if resp.Key() != keyApiVersions {
			header++ // the tags of a flexible header
		}
		again := resp.RequestKind().ResponseKind()
		if err := again.ReadFrom(b[header:]); err != nil {
			t.Errorf("%T: %v", resp, err)
		}
	}
}
