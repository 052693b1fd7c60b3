package metrics

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Kind is how a metric behaves.
type Kind string

// The kinds of metrics.
const (
	Counter       Kind = "counter"   // only rises, until the process starts again
	Gauge         Kind = "gauge"     // rises and falls
	HistogramKind Kind = "histogram" // durations
)

// Family is a metric by name, for all values of its labels.
type Family struct {
	Name, Help string
	Kind       Kind
	Labels     []string
	desc       *prometheus.Desc
}

// Families are the metrics of a collector.
type Families []*Family

// New adds a metric.
func (f *Families) New(kind Kind, name, help string, labels ...string) *Family {
	family := &Family{name, help, kind, labels, prometheus.NewDesc(name, help, labels, nil)}
	*f = append(*f, family)
	return family
}

// Describe says what there is, as a prometheus.Collector does.
func (f Families) Describe(ch chan<- *prometheus.Desc) {
	for _, family := range f {
		ch <- family.desc
	}
}

// Labels are the labels of a sample. Metrics of one thing share them, so that the
// many of a partition cost one set. nil is none.
type Labels []*dto.LabelPair

// Label makes Labels of names and values in turn.
func Label(pairs ...string) Labels {
	labels := make(Labels, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		labels = append(labels, &dto.LabelPair{Name: &pairs[i], Value: &pairs[i+1]})
	}
	slices.SortFunc(labels, func(a, b *dto.LabelPair) int { return cmp.Compare(*a.Name, *b.Name) })
	return labels
}

// Emitter passes samples to whoever scrapes.
type Emitter chan<- prometheus.Metric

// Value is a counter's or gauge's value. labels must be those of the family.
func (e Emitter) Value(f *Family, v float64, labels Labels) { e <- &sample{f, v, labels} }

// Bool is 1 or 0.
func (e Emitter) Bool(f *Family, v bool, labels Labels) {
	if v {
		e.Value(f, 1, labels)
		return
	}
	e.Value(f, 0, labels)
}

// Durations is a histogram's content.
func (e Emitter) Durations(f *Family, d Durations, labels Labels) { e <- &durations{f, d, labels} }

// sample is one value. The client's own constant metrics check and copy their labels
// each time, which for thousands of partitions is most of a scrape.
type sample struct {
	family *Family
	value  float64
	labels Labels
}

func (s *sample) Desc() *prometheus.Desc { return s.family.desc }

func (s *sample) Write(m *dto.Metric) error {
	m.Label = s.labels
	if s.family.Kind == Counter {
		m.Counter = &dto.Counter{Value: &s.value}
	} else {
		m.Gauge = &dto.Gauge{Value: &s.value}
	}
	return nil
}

type durations struct {
	family *Family
	d      Durations
	labels Labels
}

func (h *durations) Desc() *prometheus.Desc { return h.family.desc }

func (h *durations) Write(m *dto.Metric) error {
	m.Label = h.labels
	sum := h.d.Sum.Seconds()
	m.Histogram = &dto.Histogram{SampleCount: &h.d.Count, SampleSum: &sum, Bucket: make([]*dto.Bucket, len(Bounds))}
	for i := range Bounds {
		m.Histogram.Bucket[i] = &dto.Bucket{CumulativeCount: &h.d.Within[i], UpperBound: &bounds[i]}
	}
	return nil
}

// bounds are Bounds in seconds.
var bounds = func() (seconds [len(Bounds)]float64) {
	for i, b := range Bounds {
		seconds[i] = b.Seconds()
	}
	return seconds
}()
