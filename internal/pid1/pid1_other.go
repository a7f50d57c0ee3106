//go:build !linux

package pid1

import "errors"

func run(string, []string) (int, error) { return 0, errors.New("only for Linux") }
