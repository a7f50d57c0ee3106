package main

import "fmt"

// Of an account's limit, in percent: from storageNote on doctor says so, from storageFull on it is wrong. The next write may be
// larger than what is left.
const (
	storageNote = 80
	storageFull = 95
)

const troubleTry = "what NATS names: room for the streams, the permission, or the servers that are down; docs/nats.md"

// checkStorage compares what the account stores with its limits.
func (d *diagnosis) checkStorage() []check {
	var all []check
	for _, s := range d.x.Storage {
		of := "the account"
		if s.Tier != "" {
			of += ", streams " + s.Tier + ","
		}
		if s.Limit < 0 {
			all = append(all, check{checkStorage, resultOK, fmt.Sprintf("%s stores %s, and has no limit of its own", of, bytesText(s.Used)), ""})
			continue
		}
		found := fmt.Sprintf("%s stores %s of %s", of, bytesText(s.Used), bytesText(uint64(s.Limit)))
		const try = "raise the account's JetStream limits (`nats account info` shows them), or remove streams"
		switch used := float64(s.Used) * 100; {
		case used >= float64(s.Limit)*storageFull:
			all = append(all, check{checkStorage, resultWrong, found + ": NATS refuses what the hub writes, or soon will", try})
		case used >= float64(s.Limit)*storageNote:
			all = append(all, check{checkStorage, resultNote, found, try})
		default:
			all = append(all, check{checkStorage, resultOK, found, ""})
		}
	}
	return all
}

// bytesText is a number of bytes as NATS's tools show it.
func bytesText(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	size, i := float64(n)/unit, 0
	for ; size >= unit && i < 4; i++ {
		size /= unit
	}
	return fmt.Sprintf("%.1f %ciB", size, "KMGTP"[i])
}

// checkTrouble passes on what NATS refuses the nodes.
func (d *diagnosis) checkTrouble() []check {
	if d.status == nil {
		return nil
	}
	var all []check
	for _, t := range d.status.Trouble {
		all = append(all, check{checkTrouble, resultWrong, "NATS does not do what the hub needs: " + t, troubleTry})
	}
	return all
}
