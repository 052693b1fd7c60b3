package client

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestTopics(t *testing.T) {
	eachCluster(t, nil, testTopics)
}

func testTopics(t *testing.T, cluster Cluster) {
	c, ctx := newTestClient(cluster), testContext(t)
	spec := TopicSpec{Name: "orders", Partitions: 3, Configs: map[string]string{"cleanup.policy": "compact"}}
	for range 2 { // the second time it is there
		if err := c.EnsureTopics(ctx, spec, TopicSpec{Name: "any"}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.DescribeTopic(ctx, "orders")
	if err != nil || len(got.Partitions) != 3 || got.ID == ([16]byte{}) || !got.led() {
		t.Fatalf("described %+v, %v", got, err)
	}
	if configs, err := c.TopicConfigs(ctx, "orders"); err != nil || configs["cleanup.policy"] != "compact" {
		t.Fatalf("configs %v, %v", configs, err)
	}
	err = c.EnsureTopics(ctx, TopicSpec{Name: "orders", Partitions: 4})
	if err == nil || !strings.Contains(err.Error(), "has 3 partitions, but 4 are needed") {
		t.Fatalf("another partition count was accepted: %v", err)
	}
	if err := c.CreateTopics(ctx, spec); !errors.Is(err, ErrTopicExists) {
		t.Fatalf("create again: %v", err)
	}
	all, err := c.ListTopics(ctx)
	all = slices.DeleteFunc(all, func(t *Topic) bool { return t.Internal })
	if err != nil || len(all) != 2 || all[0].Name != "any" || all[1].Name != "orders" {
		t.Fatalf("listed %v, %v", all, err)
	}
	if err := c.DeleteTopics(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteTopics(ctx, "orders"); !errors.Is(err, ErrUnknownTopic) {
		t.Fatalf("delete again: %v", err)
	}
	if _, err := c.Partitions(ctx, "orders"); !errors.Is(err, ErrUnknownTopic) {
		t.Fatalf("a deleted topic has partitions: %v", err)
	}
}

func TestClusterID(t *testing.T) {
	eachCluster(t, nil, func(t *testing.T, cluster Cluster) {
		if id, err := newTestClient(cluster).ClusterID(testContext(t)); err != nil || id == "" {
			t.Fatalf("the id is %q, %v", id, err)
		}
	})
}
