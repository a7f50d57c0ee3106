package inmem

import "strings"

// matches reports whether a subject is one of those that a filter names: * stands for one token, a
// final > for one or more.
func matches(filter, subject string) bool {
	for {
		f, frest, fmore := strings.Cut(filter, ".")
		s, srest, smore := strings.Cut(subject, ".")
		switch {
		case f == ">" && !fmore:
			return true
		case f != "*" && f != s, fmore != smore:
			return false
		case !fmore:
			return true
		}
		filter, subject = frest, srest
	}
}

func isWild(filter string) bool {
	for t := range strings.SplitSeq(filter, ".") {
		if t == "*" || t == ">" {
			return true
		}
	}
	return false
}
