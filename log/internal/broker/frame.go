package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	keyProduce     = 0
	keyFetch       = 1
	keyApiVersions = 18

	// prefixBytes is what is read of a frame before its body is paid for: the
	// length, then key, version and correlation id.
	prefixBytes = 4 + 8

	maxUnauthenticated = 64 << 10 // before authentication, and an ApiVersions that we cannot parse
)

// prefix is the part of every request that never changed.
//
//	length i32 | key i16 | version i16 | correlation i32 | client id i16+bytes | tags (flexible) | body
//	           '------------- counted by length ------------------------------------------------'
type prefix struct {
	size        int // of the frame, without the length itself
	key         int16
	version     int16
	correlation int32
}

// readPrefix reads the first twelve bytes. io.EOF means that the peer closed
// between two frames.
func readPrefix(r io.Reader) (prefix, error) {
	var b [prefixBytes]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return prefix{}, err
	}
	return prefix{
		size:        int(int32(binary.BigEndian.Uint32(b[:]))),
		key:         int16(binary.BigEndian.Uint16(b[4:])),
		version:     int16(binary.BigEndian.Uint16(b[6:])),
		correlation: int32(binary.BigEndian.Uint32(b[8:])),
	}, nil
}

// readTokenPrefix reads the length of a frame that is a SASL token.
func readTokenPrefix(r io.Reader) (prefix, error) {
	var b [4]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return prefix{}, err
	}
	p := prefix{size: int(int32(binary.BigEndian.Uint32(b[:]))), key: keySaslAuthenticate}
	if p.size < 0 || p.size > maxUnauthenticated {
		return prefix{}, fmt.Errorf("a SASL token of %d bytes is beyond the limit of %d", p.size, maxUnauthenticated)
	}
	return p, nil
}

// rest is the number of bytes that follow the prefix.
func (p prefix) rest() int { return p.size - (prefixBytes - 4) }

// check refuses what is not worth reading; a stranger is who is not authenticated
// and has to be. Kafka answers an unknown key or version by closing the connection;
// only ApiVersions may be asked in a version that we do not have.
func (p prefix) check(level int16, l *Limits, stranger bool) error {
	if err := speaksOther(p); err != nil {
		return err
	}
	h := registered[p.key]
	if h == nil {
		return fmt.Errorf("unknown API key %d", p.key)
	}
	limit := l.FrameBytes
	if p.key == keyProduce {
		limit = l.ProduceBytes
	}
	if stranger {
		limit = maxUnauthenticated
		if !early(p.key) {
			return errStranger(p.key)
		}
	}
	r, ok := h.at(level)
	if !ok || p.version < max(r.min, h.served) || p.version > r.max {
		if p.key != keyApiVersions {
			return fmt.Errorf("%s version %d is not served", kmsg.NameForKey(p.key), p.version)
		}
		limit = maxUnauthenticated
	}
	if p.rest() < 0 || p.size > limit {
		return fmt.Errorf("a %s request of %d bytes is beyond the limit of %d", kmsg.NameForKey(p.key), p.size, limit)
	}
	return nil
}

// splitHeader cuts the client id and the header's tags from what follows the
// prefix. The header's client id is an old-style nullable string in every version.
func splitHeader(rest []byte, flexible bool) (clientID string, body []byte, err error) {
	w := walker{src: rest}
	n, ok := w.stringLen(false)
	if !ok || n > len(w.src) {
		return "", nil, errors.New("malformed request header")
	}
	if n > 0 {
		clientID = string(w.src[:n])
		w.src = w.src[n:]
	}
	if flexible && !w.tagSection(0) {
		return "", nil, errors.New("malformed request header")
	}
	return clientID, w.src, nil
}

// request is a frame that was walked but not decoded.
type request struct {
	prefix
	clientID string
	body     []byte
	weight
}

// walk checks the layout of what follows the prefix, and weighs it.
func (p prefix) walk(rest []byte) (request, error) {
	kind := kmsg.RequestForKey(p.key)
	kind.SetVersion(p.version)
	clientID, body, err := splitHeader(rest, kind.IsFlexible())
	if err != nil {
		return request{}, err
	}
	weight, err := shapeOf(p.key, p.version).walk(body)
	return request{p, clientID, body, weight}, err
}

// decode makes the request. Its byte fields alias the frame.
func (r request) decode() (kmsg.Request, error) {
	req := kmsg.RequestForKey(r.key)
	req.SetVersion(r.version)
	if err := req.ReadFrom(r.body); err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return req, nil
}

// appendResponse appends a response's frame to dst.
//
//	length i32 | correlation i32 | tags (flexible, never ApiVersions) | body
//
// The response to ApiVersions always has the oldest header, because the client
// cannot know yet what we speak.
func appendResponse(dst []byte, correlation int32, resp kmsg.Response) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlation))
	if resp.IsFlexible() && resp.Key() != keyApiVersions {
		dst = append(dst, 0)
	}
	dst = resp.AppendTo(dst)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}
