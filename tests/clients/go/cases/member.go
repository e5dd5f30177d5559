// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
)

// Member is one consumer of one group, as groups.py says. A client may call back beside its reader, so what is owned has a lock.
type Member struct {
	Address, Topic, Name, Group, Settings string
	lock                                  sync.Mutex
	owned                                 []int32
}

// Say writes one line in one call, which the pipe keeps whole.
func (m *Member) Say(format string, values ...any) {
	os.Stdout.WriteString(fmt.Sprintf(m.Name+" "+m.Group+" "+format+"\n", values...))
}

// Own changes what is owned by these partitions, and says what it is now.
func (m *Member) Own(more, less []int32) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.owned = slices.DeleteFunc(append(m.owned, more...), func(p int32) bool { return slices.Contains(less, p) })
	slices.Sort(m.owned)
	m.Say("owns %s", strings.Trim(strings.ReplaceAll(fmt.Sprint(m.owned), " ", ","), "[]"))
}

// RunMembers lets one member of each group of the arguments run until the input ends; then each leaves.
func RunMembers(run func(ended context.Context, member *Member)) {
	ended, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, argument := range os.Args[5:] {
		group, settings, _ := strings.Cut(argument, "=")
		member := &Member{Address: os.Args[2], Topic: os.Args[3], Name: os.Args[4], Group: group, Settings: settings}
		running.Go(func() { run(ended, member) })
	}
	io.Copy(io.Discard, os.Stdin)
	end()
	running.Wait()
}
