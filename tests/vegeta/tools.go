//go:build tools

// Package vegeta pins Vegeta, which the tests build and run: its version is in go.mod, its and its
// dependencies' check sums in go.sum. It is the newest that Debian 12's Go builds.
package vegeta

import _ "github.com/tsenart/vegeta/v12"
