// SPDX-License-Identifier: Apache-2.0

// Package cases is what the programs of the Go clients share: cases that are counted, the content of ../content.py, and how a member of
// groups speaks.
// usage of each: PROGRAM HOST:PORT DATA_DIRECTORY [PATTERN]; the last line is `N passed, N failed`
//
//	PROGRAM member HOST:PORT TOPIC MEMBER GROUP=SETTINGS...
package cases

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"time"
)

// Suite runs the cases whose name the pattern finds against one running node.
type Suite struct {
	Address, Data  string
	wanted         *regexp.Regexp
	passed, failed int
}

func New() *Suite {
	pattern := ""
	if len(os.Args) > 3 {
		pattern = os.Args[3]
	}
	return &Suite{Address: os.Args[1], Data: os.Args[2], wanted: regexp.MustCompile(pattern)}
}

func (s *Suite) Run(name string, body func(context.Context) error) {
	if !s.wanted.MatchString(name) {
		return
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	if err := body(ctx); err != nil {
		s.failed++
		fmt.Printf("FAIL  %s  %.1f s: %v\n", name, time.Since(start).Seconds(), err)
		return
	}
	s.passed++
	fmt.Printf("ok    %s  %.1f s\n", name, time.Since(start).Seconds())
}

// End says how it went and ends the program.
func (s *Suite) End() {
	fmt.Printf("%d passed, %d failed\n", s.passed, s.failed)
	if s.failed > 0 {
		os.Exit(1)
	}
	os.Exit(0)
}

func Check(holds bool, format string, values ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, values...)
}

// First answers the first error of those.
func First(errors ...error) error {
	for _, err := range errors {
		if err != nil {
			return err
		}
	}
	return nil
}
