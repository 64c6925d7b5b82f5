package main

import (
	"math"
	"sync"
	"time"
)

const (
	step    = 1.03 // from one bucket to the next
	buckets = 800  // from a microsecond to hours
)

// histogram counts durations, each to three in a hundred; its zero value is ready.
type histogram struct {
	lock   sync.Mutex
	counts [buckets]int64
	total  int64
	max    time.Duration
}

type percentiles struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50"` // milliseconds
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

func (h *histogram) add(duration time.Duration) {
	bucket := 0
	if microseconds := float64(duration) / 1e3; microseconds > 1 {
		bucket = min(buckets-1, int(math.Log(microseconds)/math.Log(step)))
	}
	h.lock.Lock()
	defer h.lock.Unlock()
	h.counts[bucket]++
	h.total++
	h.max = max(h.max, duration)
}

// take returns what was counted and begins anew.
func (h *histogram) take() percentiles {
	h.lock.Lock()
	defer h.lock.Unlock()
	sum := percentiles{h.total, h.percentile(0.5), h.percentile(0.99), float64(h.max) / 1e6}
	h.counts, h.total, h.max = [buckets]int64{}, 0, 0
	return sum
}

func (h *histogram) percentile(share float64) float64 {
	left := int64(share * float64(h.total))
	for bucket, count := range h.counts {
		if left -= count; left < 0 {
			return min(math.Pow(step, float64(bucket+1))/1e3, float64(h.max)/1e6)
		}
	}
	return float64(h.max) / 1e6
}

// tally counts by name; its zero value is ready.
type tally struct {
	lock   sync.Mutex
	counts map[string]int
}

func (t *tally) add(name string) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	t.counts[name]++
}

// take returns what was counted and begins anew.
func (t *tally) take() map[string]int {
	t.lock.Lock()
	defer t.lock.Unlock()
	counts := t.counts
	t.counts = nil
	return counts
}
