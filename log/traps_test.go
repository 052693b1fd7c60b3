package log

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// traps are what each cost some broker a release, and the tests that hold this one
// against them, all over the wire. A trap whose test lies elsewhere in this package,
// or among the broker's, is told here in a line.
var traps = []struct {
	trap  string
	tests []string
}{
	{"1. Produce is advertised from 0 on and refused below 3", []string{"TestProduceIsAdvertisedFromZero"}},
	{"2. JoinGroup is advertised from 0 on", []string{"TestJoinGroupIsAdvertisedFromZero"}},
	{"3. ApiVersions is answered in any version, with a header of its own", []string{"TestApiVersionsFallsBackToVersion0", "TestApiVersionsInEveryVersion", "TestApiVersionsOfAnotherCluster"}},
	{"4. flexible versions have other headers", []string{"TestEveryKeyIsAnsweredInEveryVersion"}},
	{"5. ranges of one connection are used on all", []string{"TestRangesAreTheSameOnEveryConnection"}},
	{"6. SaslHandshake lists mechanisms also on success", []string{"TestSaslHandshakeListsMechanisms"}},
	{"7. an unknown group has offset -1 and no error", []string{"TestOffsetsOfAnUnknownGroup"}},
	{"8. empty is not null", []string{"TestEmptyIsNotNull", "TestAnEmptyFetch"}},
	{"9. fetch sessions", []string{"TestFetchSession", "TestFetchSessionSeesEverything", "TestFetchSessionsForWhoWantsOne"}},
	{"10. whole batches, at least one", []string{"TestFetchGivesWholeBatches"}},
	{"11. times with a meaning of their own", []string{"TestListOffsetsOfSpecialTimes"}},
	{"12. leader epochs fence", []string{"TestLeaderEpochsAreFenced", "TestDivergingEpochs"}},
	{"13. topic ids", []string{"TestTopicIDs"}},
	{"14. error codes by version", []string{"TestFencedProducersAreToldInTheWordsOfTheirVersion", "TestTransactionAbortableIsForThoseWhoKnowIt"}},
	{"15. transaction version 2", []string{"TestTransactionVersion2", "TestACommitThatATimeoutOvertook"}},
	{"16. the first join gets a member id", []string{"TestJoiningAGroup"}},
	{"17. topics are created if both sides want it", []string{"TestMetadataCreatesOnlyWhatIsWantedAndValid"}},
	{"18. acks=0, records without a key, batches that are too large", []string{"TestAcks0", "TestBatchesThatAreRefused"}},
	{"19. an unknown key or version closes the connection", []string{"TestUnknownKeysAndVersionsCloseTheConnection"}},
	{"20. localhost is both families", []string{"TestLocalhostIsBothFamilies"}},
	{"21. telemetry is not advertised", []string{"TestWhatIsNotServedIsNotAdvertised"}},
	{"22. share groups are not advertised", []string{"TestWhatIsNotServedIsNotAdvertised"}},
}

// A trap without its test is open again.
func TestEveryTrapHasItsTest(t *testing.T) {
	there := map[string]bool{}
	for _, dir := range []string{".", "internal/broker"} {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), dir+"/"+f.Name(), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				if f, ok := d.(*ast.FuncDecl); ok {
					there[f.Name.Name] = true
				}
			}
		}
	}
	for _, trap := range traps {
		for _, name := range trap.tests {
			if !there[name] {
				t.Errorf("%s: there is no %s", trap.trap, name)
			}
		}
	}
	if len(traps) != 22 {
		t.Errorf("%d traps", len(traps))
	}
}
