package cli

import (
	"fmt"
	"os"
	"runtime"
	"slices"
)

// secrets are the files of a command that nobody else should be able to read.
func (s *securityFlags) secrets() []string { return []string{s.pair.key, s.password.path} }

// secrets are those of a node.
func (n *nodeFlags) secrets() []string { return []string{n.listen.pair.key, n.first.password.path} }

// warnExposed says of each file that other users of this machine can read it, if they
// can. It only says so: keys that are mounted into a container often have such a mode,
// and a command that refuses them would have people copy the key about.
func (a *app) warnExposed(files ...string) {
	if runtime.GOOS == "windows" { // modes are not who may read a file there
		return
	}
	slices.Sort(files)
	for _, name := range slices.Compact(files) {
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o044 == 0 {
			continue // one that is not there is another's fault; a pipe is nobody else's
		}
		fmt.Fprintf(a.term.errors(), "millrace: %s is a secret that other users of this machine can read (mode %04o): chmod 600 %[1]s\n", name, info.Mode().Perm())
	}
}
