// SPDX-License-Identifier: Apache-2.0

// The suite of kafka-go (segmentio): what most users of that client do, against one running node; and a member of groups.
package main

import (
	"os"

	"strom.example/clients/cases"
)

func main() {
	if os.Args[1] == "member" {
		cases.RunMembers(runMember)
	}
}
