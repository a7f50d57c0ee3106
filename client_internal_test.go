package phub

import (
	"slices"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

func TestChunks(t *testing.T) {
	t.Parallel()
	ones := func(n int) []int { return slices.Repeat([]int{1}, n) }
	for name, tc := range map[string]struct{ sizes, want []int }{
		"none":                  {nil, nil},
		"one":                   {ones(1), []int{1}},
		"a full one":            {ones(protocol.MaxStart), []int{protocol.MaxStart}},
		"one more than fits":    {ones(protocol.MaxStart + 1), []int{protocol.MaxStart, protocol.MaxStart + 1}},
		"by bytes":              {[]int{maxChunkBytes / 2, maxChunkBytes / 2, 1}, []int{2, 3}},
		"too big alone is sent": {[]int{1, maxChunkBytes + 1, 1}, []int{1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := chunks(tc.sizes, maxChunkBytes); !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestBackoff_GrowsAndStaysBounded(t *testing.T) {
	t.Parallel()
	for n := range 100 {
		full := min(2*time.Millisecond<<min(n, 10), 100*time.Millisecond)
		if d := backoff(n); d < full/2 || d >= full {
			t.Errorf("retry %d waits %v, want %v to %v", n, d, full/2, full)
		}
	}
}

func TestHubOf(t *testing.T) {
	t.Parallel()
	for bucket, want := range map[string]string{
		"phub_default_placement": "default", "phub_my_hub_placement": "my_hub", "phub_x_placement_placement": "x_placement",
		"phub__placement": "", "phub_x_nodes": "", "x_placement": "", "phub_placement": "",
	} {
		if got := hubOf(bucket); got != want {
			t.Errorf("%s: got %q, want %q", bucket, got, want)
		}
	}
}
