// SPDX-License-Identifier: Apache-2.0

// The sarama suite: what most users of that client do, against one running node; and a member of groups.
package main

import (
	"os"

	"github.com/IBM/sarama"
	"strom.example/clients/cases"
)

// newConfig: the client uses what a broker of this version has, and does not look what it is offered.
func newConfig(version string) *sarama.Config {
	settings := sarama.NewConfig()
	settings.ClientID = "suite"
	if version != "" {
		parsed, err := sarama.ParseKafkaVersion(version)
		if err != nil {
			panic(err)
		}
		settings.Version = parsed
	}
	return settings
}

func main() {
	if os.Args[1] == "member" {
		cases.RunMembers(runMember)
	}
}
