//go:build tools

// Package k6 pins k6, which a benchmark builds and measures: its version is in go.mod, its and its
// dependencies' check sums in go.sum. It is the newest that Debian 12's Go builds.
package k6

import _ "go.k6.io/k6"
