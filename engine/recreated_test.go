package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/log/client"
)

// topicSource is a memSource whose splits are the partitions of a real topic.
type topicSource struct {
	*memSource
	client *client.Client
	topic  string
}

func (s topicSource) Splits(ctx context.Context) ([]connectors.Split, error) {
	t, err := s.client.DescribeTopic(ctx, s.topic)
	if err != nil {
		return nil, err
	}
	splits, err := s.memSource.Splits(ctx)
	for i := range splits {
		splits[i].TopicID = t.ID
	}
	return splits, err
}

// TestRecreatedTopic: a topic that was deleted and created again between two runs
// has the name of the old one, and the group may still have offsets for it. The
// second run used to go on in the middle of records that it had never seen, over a
// state of records that nobody has any more.
func TestRecreatedTopic(t *testing.T) {
	for _, test := range []struct{ name, source, deleted, want string }{
		{"nothing", "clicks", "", ""},
		{"the source's", "clicks", "clicks", "topic clicks was deleted and created again since epoch"},
		{"the changelog", "clicks", "recreated.changelog", "topic recreated.changelog was deleted and created again since epoch"},
		{"the positions", "clicks", "recreated.splits", "topic recreated.splits does not hold epoch"},
		{"all positions", "", "recreated.splits", "topic recreated.splits does not hold epoch 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cluster := newCluster(t)
			c := client.New(cluster, client.Options{})
			run := func() error {
				src := &memSource{splits: rowsFor(21, 3, 500), step: 20}
				g := newTestGraph("recreated", src)
				if mem := g.graph.Nodes[0].Source; test.source != "" {
					mem.Topic = test.source
					mem.New = func(connectors.Env, []string) (connectors.Source, error) {
						return topicSource{src, c, test.source}, nil
					}
				}
				p := openPipeline(t, g, cluster, t.TempDir())
				defer p.Close()
				return p.Run(t.Context())
			}
			if err := run(); err != nil {
				t.Fatal(err)
			}
			if test.deleted != "" {
				if err := c.DeleteTopics(t.Context(), test.deleted); err != nil {
					t.Fatal(err)
				}
			}
			before := readTopic(t, cluster, "out")
			err := run()
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, client.ErrTopicRecreated) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("the second run: %v, want ErrTopicRecreated and %q", err, test.want)
			}
			if after := readTopic(t, cluster, "out"); !slices.Equal(before, after) {
				t.Error("the run that was refused wrote something")
			}
		})
	}
}
