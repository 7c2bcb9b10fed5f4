//go:build tools

// Package toxiproxy pins Toxiproxy, which the tests build and run: its version is in go.mod, its and its
// dependencies' check sums in go.sum. It is the newest that Debian 12's Go builds.
package toxiproxy

import _ "github.com/Shopify/toxiproxy/v2/cmd/server"
