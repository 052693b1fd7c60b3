package broker

import "testing"

func TestDocsAreCurrent(t *testing.T) {
	golden(t, "../../../docs/protocol.md", WriteDocs())
}
