//go:build !race

package worker_test

// raceEnabled says that the race detector is on, with which memory is not what it is.
const raceEnabled = false
