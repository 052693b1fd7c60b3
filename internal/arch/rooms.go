package arch

// A Room is a directory of the repository and the floor that it stands on. A
// package imports only what stands on lower floors.
type Room struct {
	// Path is a directory. "x/*" is every directory right below x that has no room
	// of its own, "x/..." every directory at any depth below x and x itself.
	Path  string
	Floor int
}

// House is the repository's rooms, from the roof to the ground. Rooms on one floor
// are strangers: neither imports the other.
var House = []Room{
	{"cmd/*", 100},

	// These wire everything.
	{"bench/...", 95},
	{"examples/*", 95},
	{"cli", 90},

	{"console", 80},

	{"engine", 70},

	// What the contracts are for: verbs.
	{"connectors/*", 60},
	{"operators/builtin", 60},
	{"operators/operatortest", 60},
	{"connectors/connectortest", 61},

	{"dsl", 50},

	// The contracts, and what they are made of. A format and an expression are part
	// of what a pipeline file says, so the dsl stands above both.
	{"connectors", 40},
	{"operators", 40},
	{"connectors/codec", 30},
	{"operators/expr", 30},

	// Three strangers. What is inside of the log is nobody else's to import.
	{"log", 29},
	{"log/internal/broker", 28},
	{"log/internal/group", 26},
	{"log/internal/txn", 26},
	{"log/internal/coord/coordtest", 25},
	{"log/internal/coord", 24},
	{"log/internal/replica", 23},
	{"log/internal/meta", 22}, // a replica opens what the metadata image names
	{"log/internal/storage", 21},
	{"log/internal/sim", 21},
	{"log/internal/core", 20},
	{"log/internal/acl", 20},
	{"log/internal/sasl", 20},
	{"log/internal/quota", 20},
	{"log/internal/metrics", 20},
	{"log/client", 20},
	{"statestore/storetest", 21},
	{"statestore", 20},

	// Leaves.
	{"operators/columnar", 10},
	{"operators/spec", 10},
	{"log/record", 10},
	{"internal/*", 10},
}

// Keepers are modules, or packages of them, that only some rooms may import,
// outside of tests and of the rooms that wire everything. What is heavy or likely
// to be replaced has one place.
var Keepers = map[string][]string{
	"github.com/cockroachdb/pebble/v2":         {"statestore", "log/internal/meta", "internal/vfs"},
	"gopkg.in/yaml.v3":                         {"dsl"},
	"github.com/twmb/franz-go/pkg/kgo":         {"log/client"},
	"github.com/twmb/franz-go/pkg/kadm":        {"log/client", "cli"},
	"github.com/twmb/franz-go/pkg/kfake":       {},
	"github.com/expr-lang/expr":                {"operators/expr"},
	"go.etcd.io/raft/v3":                       {"log/internal/meta"},
	"github.com/spf13/cobra":                   {"cli"},
	"github.com/prometheus/client_golang":      {"log", "log/internal/metrics", "cli"},
	"github.com/prometheus/client_model":       {"log/internal/metrics"},
	"github.com/santhosh-tekuri/jsonschema/v6": {},
	// The log itself: whoever needs records speaks to a client.Cluster.
	module + "/log": {"cli"},
}

// free rooms may import any module.
var free = []string{"bench/...", "examples/*", "internal/zdeps"}

const module = "github.com/millrace/millrace"

// Limits on a file's length in lines. A file holds one concept; a test may hold a
// long table.
const (
	maxLines     = 500
	maxTestLines = 900
)
