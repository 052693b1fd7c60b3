package conformance

import (
	"path/filepath"
	"testing"
)

// installJava compiles the programs of the java folder; Maven fetches Apache Kafka's
// client and Kafka Streams.
func installJava(t *testing.T) (dir string, java []string) {
	t.Helper()
	need(t, "java")
	need(t, "javac")
	need(t, "mvn")
	files, err := filepath.Glob("java/*")
	if err != nil {
		t.Fatal(err)
	}
	jars := filepath.Join("jars", "*") // java expands it, not a shell
	dir = installed(t, "java", files,
		[]string{"mvn", "--batch-mode", "--quiet", "dependency:copy-dependencies", "-DoutputDirectory=jars"},
		[]string{"javac", "-Xlint:all", "-Werror", "-cp", jars, "-d", "classes", "Steps.java", "Scenario.java", "WordCount.java"})
	return dir, []string{"-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", "classes" + string(filepath.ListSeparator) + jars}
}

// Apache Kafka's own client: idempotent producer, both group protocols, transactions,
// admin.
func TestJavaScenario(t *testing.T) {
	dir, java := installJava(t)
	overEach(t, func(t *testing.T, at endpoint) { runSteps(t, at, dir, "java", append(java, "Scenario")...) })
}

// Kafka Streams finds what nothing else does: transactions with offsets of several
// members, repartition topics that are purged, changelogs that are read back.
func TestKafkaStreamsCountsWordsExactlyOnce(t *testing.T) {
	dir, java := installJava(t)
	runSteps(t, plain(t), dir, "java", append(java, "WordCount")...)
}
